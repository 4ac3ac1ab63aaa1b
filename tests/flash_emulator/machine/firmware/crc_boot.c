/*
 * Starts the image in SLOT when the CRC-32 over SIZE bytes of it is the word behind them.
 *
 * 0x0800_8000: the image, filled up to 62 KiB. 0x0801_7800: their CRC-32 as zlib has it. Another
 * build has images of 20 KiB, with it at 0x0800_D000.
 */
#include "../../../../fixtures/firmware/crc32.h"
#include "chip.h"
#include "flash.h"
#include "image.h"
#include "usart.h"

#define SLOT 0x08008000u
#ifndef SIZE
#define SIZE (62u * 1024u)
#endif

void main(void)
{
    uint32_t wanted[2];

    flash_open();
    usart_open();
    uint32_t found = crc32((const uint8_t *)SLOT, SIZE);
    usart_print("crc ");
    usart_print_hex(found);
    usart_print("\r\n");
    if (flash_read(SLOT + SIZE, wanted) && wanted[0] == found) {
        image_start(SLOT);
    }
}

/*
 * An update by bank swap: where page REQUEST of the bank that runs says "SWAP", BFB2 is set and
 * loaded, and the boot ROM starts bank 2. Put version 1 into bank 1 and version 2 into bank 2; both
 * are linked for 0x0800_0000. Bank 2 has no request, so version 2 says what it is.
 */
#include "chip.h"
#include "flash.h"
#include "usart.h"

#define REQUEST 0x08004000u
#define SWAP 0x50415753u

void main(void)
{
    uint32_t unit[2];

    flash_open();
    if (flash_read(REQUEST, unit) && unit[0] == SWAP && !(FLASH_OPTR & FLASH_OPTR_BFB2)) {
        flash_boot_from_bank_2();
    }
    usart_open();
    usart_print("firmware " VERSION "\r\n");
}

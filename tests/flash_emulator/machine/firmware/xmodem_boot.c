/* Receives by XMODEM, blocks of 128 or 1,024 bytes with a CRC; with -DYMODEM between two blocks 0 that
 * have the file's name and size, and nothing. See serial_boot.h. */
#include "chip.h"
#include "flash.h"
#include "serial.h"
#include "serial_boot.h"

#define LONGEST 1024u
#define SOH 0x01
#define STX 0x02
#define EOT 0x04
#define ACK 0x06u
#define NAK 0x15u
#define CAN 0x18u

static uint8_t block[LONGEST];
static uint32_t length; /* of the block */

static uint16_t crc16(const uint8_t *bytes, uint32_t size)
{
    uint32_t crc = 0u;

    while (size--) {
        crc ^= (uint32_t)*bytes++ << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000u ? crc << 1 ^ 0x1021u : crc << 1;
        }
    }
    return (uint16_t)crc;
}

/* What follows SOH or STX; its number, or NOTHING where it is damaged. */
static int receive(int first)
{
    int number = serial_get(), inverse = serial_get();
    uint32_t crc = 0u;

    length = first == SOH ? 128u : LONGEST;
    for (uint32_t at = 0u; at < length + 2u; at++) {
        int byte = serial_get();

        if (byte == NOTHING) {
            return NOTHING;
        }
        if (at < length) {
            block[at] = (uint8_t)byte;
        } else {
            crc = crc << 8 | (uint32_t)byte;
        }
    }
    return number + inverse == 0xFF && crc == crc16(block, length) ? number : NOTHING;
}

static void answer(bool is_done)
{
    serial_put(is_done ? ACK : CAN);
}

#ifdef ACK_FIRST
#define FIRST(call) (answer(true), (call))
#else
#define FIRST(call) (is_done = (call), answer(is_done), is_done)
#endif

/* YMODEM: an empty block 0 says that no other file comes. The slot is complete, whatever comes. */
static bool finish(void)
{
#ifdef YMODEM
    serial_put('C');
    if (serial_get() == SOH) {
        (void)receive(SOH);
        serial_put(ACK);
    }
#endif
    return true;
}

/* One transfer; whether the slot has it. */
static bool transfer(void)
{
    uint32_t size = 0u, blocks = 0u;
    bool is_done = false;

    (void)is_done;
    for (;;) {
        int byte = serial_get();

        if (byte == SOH || byte == STX) {
            int number = receive(byte);

            if (number == (int)(blocks % 256u)) {
                serial_put(ACK); /* it is here already: our answer was lost. Or it is block 0 */
                if (blocks == 0u) {
                    serial_put('C');
                }
            } else if (number != (int)((blocks + 1u) % 256u)) {
                serial_put(NAK);
            } else if ((size == 0u && !slot_open()) || !FIRST(slot_write(size, block, length))) {
                return false;
            } else {
                size += length;
                blocks++;
            }
        } else if (byte == EOT && size != 0u) {
            return FIRST(slot_close(size)) && finish();
        } else if (byte == NOTHING) {
            if (size != 0u) {
                return false; /* the host has gone */
            }
            serial_put('C');
        }
    }
}

void main(void)
{
    flash_open();
    serial_open();
    slot_start_if_marked();
    serial_put('C');
    while (!transfer()) {
        serial_put('C');
    }
    slot_start_if_marked();
}

/* Receives by XMODEM, blocks of 128 bytes with a CRC. See serial_boot.h. */
#include "chip.h"
#include "flash.h"
#include "serial.h"
#include "serial_boot.h"

#define BLOCK 128u
#define SOH 0x01
#define EOT 0x04
#define ACK 0x06u
#define NAK 0x15u
#define CAN 0x18u

static uint8_t block[BLOCK];

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

/* What follows SOH; its number, or NOTHING where it is damaged. */
static int receive(void)
{
    int number = serial_get(), inverse = serial_get();
    uint32_t crc = 0u;

    for (uint32_t at = 0u; at < BLOCK + 2u; at++) {
        int byte = serial_get();

        if (byte == NOTHING) {
            return NOTHING;
        }
        if (at < BLOCK) {
            block[at] = (uint8_t)byte;
        } else {
            crc = crc << 8 | (uint32_t)byte;
        }
    }
    return number + inverse == 0xFF && crc == crc16(block, BLOCK) ? number : NOTHING;
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

/* One transfer; whether the slot has it. */
static bool transfer(void)
{
    uint32_t size = 0u;
    bool is_done = false;

    (void)is_done;
    for (;;) {
        int byte = serial_get();

        if (byte == SOH) {
            int number = receive();

            if (number == (int)(size / BLOCK % 256u)) {
                serial_put(ACK); /* it is here already: our answer was lost */
            } else if (number != (int)((size / BLOCK + 1u) % 256u)) {
                serial_put(NAK);
            } else if ((size == 0u && !slot_open()) || !FIRST(slot_write(size, block, BLOCK))) {
                return false;
            } else {
                size += BLOCK;
            }
        } else if (byte == EOT && size != 0u) {
            return FIRST(slot_close(size));
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

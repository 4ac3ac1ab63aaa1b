/*
 * Speaks XCP over USART2: each packet has its length in front. See serial_boot.h. It listens for a
 * second before it starts what is in the slot.
 */
#include "chip.h"
#include "flash.h"
#include "serial.h"
#include "serial_boot.h"

#define MAX_CTO 64u
#define POSITIVE 0xFFu
#define NEGATIVE 0xFEu
#define ERR_CMD_UNKNOWN 0x20u
#define ERR_OUT_OF_RANGE 0x22u
#define ERR_GENERIC 0x31u

static uint8_t packet[MAX_CTO], reply[8];
static uint32_t address, end; /* where the next bytes go; behind the last ones */
static bool is_open;

/* The length of what has come, 0 for nothing. A packet that is not complete in time is dropped. */
static uint32_t receive(void)
{
    int size = serial_get();

    if (size == NOTHING || size == 0 || size > (int)MAX_CTO) {
        return 0u;
    }
    for (int at = 0; at < size; at++) {
        int byte = serial_get();

        if (byte == NOTHING) {
            return 0u;
        }
        packet[at] = (uint8_t)byte;
    }
    return (uint32_t)size;
}

static void send(uint32_t size)
{
    serial_put((uint8_t)size);
    serial_send(reply, size);
}

static uint32_t word(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint32_t refuse(uint8_t error)
{
    reply[0] = NEGATIVE;
    reply[1] = error;
    return 2u;
}

static uint32_t done(bool is_done)
{
    return is_done ? 1u : refuse(ERR_GENERIC);
}

static bool is_in_slot(uint32_t size)
{
    return address >= SLOT && size <= SLOT_SIZE && address - SLOT <= SLOT_SIZE - size;
}

/* Pages are erased by slot_write, one by one: the mark is what must go at once. */
static bool clear(void)
{
    is_open = is_open || slot_open();
    return is_open;
}

static uint32_t program(const uint8_t *bytes, uint32_t size)
{
    uint32_t offset = address - SLOT;

    if (!is_in_slot(size) || !is_open) {
        return refuse(ERR_OUT_OF_RANGE);
    }
    address += size;
    end = offset + size;
    return done(slot_write(offset, bytes, size));
}

/* Executes what is in *packet*; the length of the reply. */
static uint32_t execute(void)
{
    for (uint32_t at = 0u; at < sizeof reply; at++) {
        reply[at] = 0u;
    }
    reply[0] = POSITIVE;
    switch (packet[0]) {
    case 0xFFu: /* CONNECT */
        reply[1] = 0x10u;
        reply[3] = reply[4] = MAX_CTO;
        reply[6] = reply[7] = 1u;
        return 8u;
    case 0xFEu: /* DISCONNECT */
        return 1u;
    case 0xF6u: /* SET_MTA */
        address = word(packet + 4);
        return 1u;
    case 0xD2u: /* PROGRAM_START */
        reply[3] = MAX_CTO;
        return 7u;
    case 0xD1u: /* PROGRAM_CLEAR */
        return is_in_slot(word(packet + 4)) ? done(clear()) : refuse(ERR_OUT_OF_RANGE);
    case 0xD0u: /* PROGRAM */
        if (packet[1] == 0u) {
            return done(is_open && slot_close(end));
        }
        return program(packet + 2, packet[1]);
    case 0xC9u: /* PROGRAM_MAX */
        return program(packet + 1, MAX_CTO - 1u);
    default:
        return refuse(ERR_CMD_UNKNOWN);
    }
}

void main(void)
{
    flash_open();
    serial_open();
    bool is_connected = false;

    for (;;) {
        if (receive() == 0u) {
            if (!is_connected) {
                slot_start_if_marked();
            }
            continue;
        }
        is_connected = true;
        if (packet[0] == 0xCFu) { /* PROGRAM_RESET */
            SCB_AIRCR = SCB_AIRCR_RESET;
        }
        send(execute());
    }
}

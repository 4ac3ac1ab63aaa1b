/*
 * Speaks AN3155 over USART2 as a boot ROM does, in flash: a bootloader of one's own that ST's tools
 * and others can use. It listens for a second before it starts what is in the slot; what it holds
 * to be an image is one whose first page was programmed, so the host writes that page last.
 *
 *   0x0800_8000  SLOT: all else of the flash can only be read
 */
#include "chip.h"
#include "flash.h"
#include "image.h"
#include "serial.h"

#define SLOT 0x08008000u
#define SLOT_END 0x08048000u
#define FLASH_END 0x08100000u
#define SYNC 0x7F
#define ACK 0x79u
#define NACK 0x1Fu
#define PID 0x0415u

static uint8_t data[260];

static bool get(uint8_t *byte)
{
    int found = serial_get();

    *byte = (uint8_t)found;
    return found != NOTHING;
}

/* *size* bytes into data, and the XOR of them and of *sum*, which must follow. */
static bool receive(uint32_t size, uint8_t sum)
{
    uint8_t found;

    for (uint32_t at = 0u; at < size; at++) {
        if (!get(&data[at])) {
            return false;
        }
        sum ^= data[at];
    }
    return get(&found) && found == sum;
}

static bool get_address(uint32_t *address)
{
    if (!receive(4u, 0u)) {
        return false;
    }
    *address = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    return true;
}

static bool is_readable(uint32_t address, uint32_t size)
{
    return address >= FLASH_BASE && address <= FLASH_END - size;
}

static bool is_slot(uint32_t address, uint32_t size)
{
    return address >= SLOT && address <= SLOT_END - size;
}

static bool answer_get(void)
{
    static const uint8_t reply[] = {ACK, 7, 0x31, 0x00, 0x01, 0x02, 0x11, 0x21, 0x31, 0x44};

    serial_send(reply, sizeof reply);
    return true;
}

static bool answer_version(void)
{
    static const uint8_t reply[] = {ACK, 0x31, 0, 0};

    serial_send(reply, sizeof reply);
    return true;
}

static bool answer_id(void)
{
    static const uint8_t reply[] = {ACK, 1, PID >> 8, PID & 0xFFu};

    serial_send(reply, sizeof reply);
    return true;
}

static bool do_read(void)
{
    uint32_t address;
    uint8_t last, inverse;

    serial_put(ACK);
    if (!get_address(&address) || !is_readable(address, 256u)) {
        return false;
    }
    serial_put(ACK);
    if (!get(&last) || !get(&inverse) || (last ^ inverse) != 0xFFu) {
        return false;
    }
    serial_put(ACK);
    serial_send((const uint8_t *)address, last + 1u);
    return true;
}

static bool program(uint32_t address, uint32_t size)
{
    for (uint32_t at = 0u; at < size; at += UNIT_SIZE) {
        uint32_t unit[2] = {0xFFFFFFFFu, 0xFFFFFFFFu};

        for (uint32_t in = 0u; in < UNIT_SIZE && at + in < size; in++) {
            unit[in / 4u] ^= (uint32_t)(data[at + in] ^ 0xFFu) << 8u * (in % 4u);
        }
        if (!flash_program(address + at, unit)) {
            return false;
        }
    }
    return true;
}

static bool do_write(void)
{
    uint32_t address;
    uint8_t last;

    serial_put(ACK);
    if (!get_address(&address) || !is_slot(address, 256u) || address % UNIT_SIZE) {
        return false;
    }
    serial_put(ACK);
    return get(&last) && receive(last + 1u, last) && program(address, last + 1u);
}

static bool do_erase(void)
{
    uint8_t high, low;

    serial_put(ACK);
    if (!get(&high) || !get(&low) || high != 0u || low >= sizeof data / 2u) {
        return false; /* everything, a bank, or more at once than are told of here */
    }
    if (!receive(2u * (low + 1u), low)) {
        return false;
    }
    for (uint32_t at = 0u; at <= low; at++) {
        uint32_t page = (uint32_t)data[2u * at] << 8 | data[2u * at + 1u];
        uint32_t address = FLASH_BASE + page * PAGE_SIZE;

        if (!is_slot(address, PAGE_SIZE) || !flash_erase(address)) {
            return false;
        }
    }
    return true;
}

static bool do_go(void)
{
    uint32_t address;

    serial_put(ACK);
    if (!get_address(&address) || address != SLOT) {
        return false;
    }
    serial_put(ACK);
    image_start(SLOT);
    return false;
}

static bool execute(uint8_t command)
{
    switch (command) {
    case 0x00u:
        return answer_get();
    case 0x01u:
        return answer_version();
    case 0x02u:
        return answer_id();
    case 0x11u:
        return do_read();
    case 0x21u:
        return do_go();
    case 0x31u:
        return do_write();
    case 0x44u:
        return do_erase();
    default:
        return false;
    }
}

static bool has_command(uint8_t command)
{
    uint8_t inverse;

    return get(&inverse) && (command ^ inverse) == 0xFFu;
}

void main(void)
{
    bool is_open = false;

    flash_open();
    serial_open();
    for (;;) {
        int byte = serial_get();

        if (byte == NOTHING) {
            if (!is_open) {
                image_start(SLOT);
            }
        } else if (!is_open) {
            is_open = byte == SYNC;
            serial_put(is_open ? ACK : NACK);
        } else {
            bool is_done = has_command((uint8_t)byte) && execute((uint8_t)byte);

            if (!is_done) {
                serial_put(NACK);
            } else if (byte != 0x11) { /* the bytes that Read sends are its last answer */
                serial_put(ACK);
            }
        }
    }
}

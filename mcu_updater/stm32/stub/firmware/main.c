/*
 * Loader stub: the boot ROM writes it to RAM and starts it with Go.
 *
 *   request  | seq | command | arguments |        reply  | seq | next | status | data |
 *
 * Requests are done in the order of seq. One that is damaged, or out of order, is answered with
 * RESEND and the seq that is waited for, so none is done twice. After a failure nothing is erased or
 * written until SYNC; RESEND says so too, and whether the request was done before.
 */
#include "chip.h"
#include "crc32.h"
#include "flash.h"
#include "line.h"
#include "lz4.h"

#define VERSION 2u
#define MOST_RANGES 128u
#define UNIT_SIZE (FLASH_UNIT_SIZE < 4u ? 4u : FLASH_UNIT_SIZE) /* of a write: in whole words */

enum command { SYNC = 1, SPEED, ERASE, WRITE, CHECKSUM, GO, RESET };
enum status { OK, RESEND, BAD_REQUEST, BAD_ADDRESS, BAD_DATA, REFUSED, DIFFERS, STOPPED };
enum encoding { RAW, LZ4 };
enum { SEQ, NEXT, STATUS, DATA }; /* places in a reply */

/* Arguments lie where they come, low byte first. */
typedef struct __attribute__((packed)) {
    uint32_t address;
    uint32_t crc; /* of the decoded data */
    uint16_t size; /* of the decoded data */
    uint8_t encoding;
    uint8_t data[];
} write_t;

typedef struct __attribute__((packed)) {
    uint32_t address;
    uint32_t size;
    uint8_t count; /* ranges of this size, one behind the other */
} ranges_t;

typedef union {
    uint8_t bytes[BLOCK_SIZE];
    uint32_t words[BLOCK_SIZE / 4u];
} block_t;

static block_t block;
static uint8_t reply[REPLY_SIZE];
static uint32_t reply_size;
static uint8_t next;
static bool has_failed;

static void put32(uint32_t value)
{
    for (uint32_t i = 0u; i < 4u; i++) {
        reply[reply_size++] = (uint8_t)(value >> 8u * i);
    }
    line_poll();
}

static uint32_t get32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool is_inside(uint32_t address, uint32_t size)
{
    return address >= FLASH_BASE && size <= FLASH_SIZE && address - FLASH_BASE <= FLASH_SIZE - size;
}

static enum status outcome(uint32_t errors, bool is_held)
{
    if (errors != 0u) {
        put32(errors);
        return REFUSED;
    }
    return is_held ? OK : DIFFERS;
}

static enum status sync(void)
{
    const uint32_t facts[] = {
        VERSION,     IDCODE,     FLASH_SIZE_KIB, UID[0],     UID[1], UID[2], IS_MAPPED_OTHERWISE,
        line_base(), line_brr(), FRAME_COUNT,    FRAME_SIZE,
    };

    for (uint32_t i = 0u; i < sizeof facts / sizeof facts[0]; i++) {
        put32(facts[i]);
    }
    has_failed = false;
    return OK;
}

static enum status erase(uint32_t address)
{
    if (address >= FIRST_BULK) {
        return flash_has_bulk(address) ? outcome(flash_erase_bulk(address), true) : BAD_ADDRESS;
    }
    uint32_t size = is_inside(address, 1u) ? flash_sector_size(address) : 0u;
    if (size == 0u) {
        return BAD_ADDRESS;
    }
    uint32_t errors = flash_erase(address);
    return outcome(errors, flash_holds(address, 0, size / 4u));
}

static int32_t decode(const write_t *request, uint32_t size)
{
    if (request->encoding == LZ4) {
        return lz4_decode(request->data, size, block.bytes, BLOCK_SIZE, request->address);
    }
    if (request->encoding != RAW || size > BLOCK_SIZE) {
        return -1;
    }
    for (uint32_t i = 0u; i < size; i++) {
        block.bytes[i] = request->data[i];
        line_poll();
    }
    return (int32_t)size;
}

static enum status write(const write_t *request, uint32_t size)
{
    uint32_t within = request->address % BLOCK_SIZE;

    if (!is_inside(request->address, request->size) || within % UNIT_SIZE != 0u ||
        within + request->size > BLOCK_SIZE) {
        return BAD_ADDRESS;
    }
    if (decode(request, size) != request->size ||
        crc32(0u, block.bytes, request->size) != request->crc) {
        return BAD_DATA;
    }
    uint32_t whole = request->size;
    while (whole % UNIT_SIZE != 0u) {
        block.bytes[whole++] = 0xFFu;
    }
    uint32_t errors = flash_program(request->address, block.words, whole / 4u);
    return outcome(errors, flash_holds(request->address, block.words, whole / 4u));
}

/* For each range: 1 and its CRC, or 0 and nothing of use where it cannot be read. */
static enum status checksum(const ranges_t *ranges)
{
    if (ranges->count == 0u || ranges->count > MOST_RANGES || ranges->size > FLASH_SIZE) {
        return BAD_REQUEST;
    }
    if (!is_inside(ranges->address, ranges->size * ranges->count)) {
        return BAD_ADDRESS;
    }
    for (uint32_t i = 0u; i < ranges->count; i++) {
        bool is_readable;
        uint32_t crc = flash_crc(ranges->address + i * ranges->size, ranges->size, &is_readable);
        reply[reply_size++] = is_readable;
        put32(crc);
    }
    return OK;
}

static void jump(uint32_t table)
{
    const uint32_t *vectors = (const uint32_t *)table;

    flash_close();
    SCB_VTOR = table;
    __asm volatile("msr msp, %0\n\tcpsie i\n\tbx %1" : : "r"(vectors[0]), "r"(vectors[1]));
}

static enum status perform(uint8_t command, const uint8_t *arguments, uint32_t size)
{
    if (has_failed && (command == ERASE || command == WRITE)) {
        return STOPPED;
    }
    switch (command) {
    case SYNC:
        return size == 0u ? sync() : BAD_REQUEST;
    case ERASE:
        return size == 4u ? erase(get32(arguments)) : BAD_REQUEST;
    case WRITE:
        return size >= sizeof(write_t)
                   ? write((const write_t *)arguments, size - sizeof(write_t))
                   : BAD_REQUEST;
    case CHECKSUM:
        return size == sizeof(ranges_t) ? checksum((const ranges_t *)arguments) : BAD_REQUEST;
    case SPEED:
        return size == 4u && get32(arguments) - 16u < 0x10000u - 16u ? OK : BAD_REQUEST;
    case GO:
        return size == 4u ? OK : BAD_REQUEST;
    case RESET:
        return size == 0u ? OK : BAD_REQUEST;
    default:
        return BAD_REQUEST;
    }
}

static void answer(uint8_t seq, enum status status)
{
    reply[SEQ] = seq;
    reply[NEXT] = next;
    reply[STATUS] = (uint8_t)status;
    line_send(reply, reply_size);
}

/* What has to wait until the reply is gone. */
static void follow(uint8_t command, const uint8_t *arguments)
{
    if (command == SPEED) {
        line_change_speed(get32(arguments));
    } else if (command == GO) {
        line_finish();
        jump(get32(arguments));
    } else if (command == RESET) {
        line_finish();
        SCB_AIRCR = SCB_AIRCR_RESET;
    }
}

static void refuse(bool is_repeated)
{
    reply_size = DATA;
    reply[reply_size++] = has_failed;
    reply[reply_size++] = is_repeated;
    answer((uint8_t)(next - 1u), RESEND);
}

static void serve(const uint8_t *request, int32_t size)
{
    if (size < 2) {
        refuse(false);
        return;
    }
    uint8_t seq = request[0], command = request[1];
    line_trust();
    if (command == SYNC) {
        next = seq;
    }
    if (seq != next) {
        refuse((uint8_t)(next - seq) < 128u);
        return;
    }
    next++;
    reply_size = DATA;
    enum status status = perform(command, request + 2, (uint32_t)size - 2u);
    has_failed |= status != OK && (command == ERASE || command == WRITE);
    answer(seq, status);
    if (status == OK) {
        follow(command, request + 2);
    }
}

int main(void)
{
    uint8_t *request;

    crc32_begin();
    line_open();
    flash_open();
    for (;;) {
        int32_t size = line_receive(&request);
        serve(request, size);
        line_release();
    }
}

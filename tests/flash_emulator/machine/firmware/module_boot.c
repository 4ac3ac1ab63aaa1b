/*
 * Takes the slot's image from a QuecThing module at USART2, in reads of 1,024 bytes. See
 * serial_boot.h. One piece, no checksum: what is tried here is the conversation.
 */
#include "chip.h"
#include "flash.h"
#include "serial.h"
#include "serial_boot.h"
#include "usart.h"

#define CHUNK 1024u
#define LONGEST 240u
#define PATIENCE 30u /* seconds */

static char line[LONGEST + 1u];
static uint8_t chunk[CHUNK];

static bool starts(const char *text, const char *begin)
{
    while (*begin != '\0') {
        if (*text++ != *begin++) {
            return false;
        }
    }
    return true;
}

/* The next line that is not empty; false when none has come in time. */
static bool next_line(void)
{
    uint32_t size = 0u, silent = 0u;

    while (silent < PATIENCE) {
        int byte = serial_get();

        if (byte == NOTHING) {
            silent++;
        } else if (byte == '\n' && size != 0u) {
            line[size] = '\0';
            return true;
        } else if (byte != '\r' && byte != '\n' && size < LONGEST) {
            line[size++] = (char)byte;
        }
    }
    return false;
}

static bool wait_for(const char *begin)
{
    while (next_line()) {
        if (starts(line, begin)) {
            return true;
        }
        if (starts(line, "ERROR")) {
            return false;
        }
    }
    return false;
}

static bool command(const char *text)
{
    usart_print(text);
    usart_print("\r\n");
    return wait_for("OK");
}

static uint32_t number(const char *text)
{
    uint32_t value = 0u;

    while (*text >= '0' && *text <= '9') {
        value = 10u * value + (uint32_t)(*text++ - '0');
    }
    return value;
}

static const char *behind_last(char mark)
{
    const char *found = line;

    for (const char *at = line; *at != '\0'; at++) {
        if (*at == mark) {
            found = at + 1;
        }
    }
    return found;
}

static void print_number(uint32_t value)
{
    uint32_t unit = 1u;

    while (value / unit >= 10u) {
        unit *= 10u;
    }
    for (; unit != 0u; unit /= 10u) {
        usart_put((char)('0' + value / unit % 10u));
    }
}

/* Bytes at *offset* into chunk; how many, 0 for none. */
static uint32_t read_chunk(uint32_t offset)
{
    usart_print("AT+QIOTOTARD=");
    print_number(offset);
    usart_print(",1024\r\n");
    if (!wait_for("+QIOTOTARD: ")) {
        return 0u;
    }
    uint32_t size = number(behind_last(','));

    for (uint32_t at = 0u; at < size && at < CHUNK; at++) {
        int byte = serial_get();

        if (byte == NOTHING) {
            return 0u;
        }
        chunk[at] = (uint8_t)byte;
    }
    return wait_for("OK") && size <= CHUNK ? size : 0u;
}

static bool download(uint32_t size)
{
    uint32_t offset = 0u;

    while (offset < size) {
        uint32_t here = read_chunk(offset);

        if (here == 0u || !slot_write(offset, chunk, here)) {
            return false;
        }
        offset += here;
    }
    return true;
}

static bool update(void)
{
    if (!command("AT+QIOTMCUVER=\"STM32\",\"1_0_0\"") || !command("AT+QIOTREG=1") ||
        !wait_for("+QIOTEVT: 3,10200") || !command("AT+QIOTOTAREQ=1") ||
        !wait_for("+QIOTEVT: 7,10700") || !command("AT+QIOTUPDATE=1") ||
        !wait_for("+QIOTEVT: 7,10703")) {
        return false;
    }
    uint32_t size = number(behind_last(','));

    return slot_open() && download(size) && command("AT+QIOTUPDATE=3") && slot_close(size) &&
           command("AT+QIOTMCUVER=\"STM32\",\"2_0_0\"") && wait_for("+QIOTEVT: 7,10705");
}

void main(void)
{
    flash_open();
    serial_open();
    slot_start_if_marked();
    while (!update()) {
    }
    slot_start_if_marked();
}

/* Calls the functions of a HAL one by one, as the host at the module's USART asks: test_hal.py. A line is
 * a letter and numbers in hexadecimal; so is the answer. It takes the place of the bootloader, and has
 * the HAL that applications get. */
#include <string.h>

#include "fwu_board.h"
#include "fwu_event.h"
#include "fwu_hal.h"

#define MOST 256u
#define SILENCE_MS 100u

static uint8_t line[3u * MOST + 32u];
static const uint8_t *at;

bool fwu_hal_self_test(void)
{
    return true;
}

bool fwu_hal_admits(const struct fwu_plan *plan)
{
    (void)plan;
    return true;
}

static void print(const char *text)
{
    (void)fwu_hal_put((const uint8_t *)text, (uint32_t)strlen(text));
}

static void print_byte(uint32_t value)
{
    const char *digits = "0123456789ABCDEF";
    uint8_t text[2];

    text[0] = (uint8_t)digits[value >> 4u & 0xFu];
    text[1] = (uint8_t)digits[value & 0xFu];
    (void)fwu_hal_put(text, 2u);
}

static void print_number(uint32_t value)
{
    print_byte(value >> 24u);
    print_byte(value >> 16u & 0xFFu);
    print_byte(value >> 8u & 0xFFu);
    print_byte(value & 0xFFu);
}

static uint32_t digit(uint8_t character)
{
    return character <= (uint8_t)'9' ? (uint32_t)(character - (uint8_t)'0')
                                     : (uint32_t)(character - (uint8_t)'A' + 10);
}

static uint32_t number(void) /* the next one of the line */
{
    uint32_t value = 0u;

    while (*at == (uint8_t)' ') {
        at++;
    }
    while (*at > (uint8_t)' ') {
        value = value << 4u | digit(*at++);
    }
    return value;
}

static void read_line(void)
{
    uint32_t size = 0u;

    do {
        size += fwu_hal_get(line + size % sizeof line, 1u, 1000u);
    } while (size == 0u || line[(size - 1u) % sizeof line] != (uint8_t)'\n');
    at = line + 1;
}

#define AROUND 0xA5u /* what stands before and behind a place that is written to */

/* To a place of any alignment. */
static void read_flash(void)
{
    uint32_t address = number();
    uint32_t size = number();
    uint32_t offset = 1u + number() % 8u;
    uint8_t data[MOST + 16u];

    memset(data, AROUND, sizeof data);
    if (!fwu_hal_read(address, data + offset, size)) {
        print("no");
        return;
    }
    for (uint32_t i = 0u; i < sizeof data; i++) {
        if ((i < offset || i >= offset + size) && data[i] != AROUND) {
            print("it wrote outside of data");
            return;
        }
    }
    for (uint32_t i = 0u; i < size; i++) {
        print_byte(data[offset + i]);
    }
}

static void program(void)
{
    uint32_t address = number();
    uint32_t size = number();
    uint8_t data[MOST + 1u];

    for (uint32_t i = 0u; i < size; i++) {
        data[i + 1u] = (uint8_t)number(); /* at an odd address */
    }
    print_number(fwu_hal_program(address, data + 1, size));
}

/* How many bytes come until it is silent, and a sum that says which they are, and in which order. */
static void listen(void)
{
    uint32_t count = 0u;
    uint32_t sum = 0u;
    uint32_t got;
    uint8_t data[7];

    do {
        got = fwu_hal_get(data, sizeof data, SILENCE_MS);
        for (uint32_t i = 0u; i < got && got <= sizeof data; i++) {
            count++;
            sum += data[i] * count;
        }
    } while (got > 0u);
    print_number(count);
    print(" ");
    print_number(sum);
}

/* Bytes that have come while the sector was being erased. */
static void erase_and_listen(void)
{
    uint32_t address = number();

    print("go\n");
    (void)fwu_hal_erase(address);
    listen();
}

/* Bytes that have come while nobody asked. */
static void wait_and_listen(void)
{
    uint32_t wait_ms = number();
    uint32_t start = fwu_hal_now_ms();

    print("go\n");
    while (fwu_hal_now_ms() - start < wait_ms) {
    }
    listen();
}

static void send(void)
{
    uint32_t size = number();
    uint8_t data[MOST];

    for (uint32_t i = 0u; i < size; i++) {
        data[i] = (uint8_t)((uint32_t)'a' + i % 26u);
    }
    (void)fwu_hal_put(data, size);
}

/* With the watchdog running, as on trial. */
static void wait_for_nothing(void)
{
    uint32_t timeout_ms = number();
    uint8_t byte;

    fwu_board_start_watchdog();
    print_number(fwu_hal_get(&byte, 1u, timeout_ms));
}

static void measure(void)
{
    uint32_t timeout_ms = number();
    uint32_t start = fwu_hal_now_ms();
    uint8_t byte;

    (void)fwu_hal_get(&byte, 1u, timeout_ms);
    print_number(fwu_hal_now_ms() - start);
}

static void answer(void)
{
    switch (line[0]) {
    case 'r':
        read_flash();
        break;
    case 'p':
        program();
        break;
    case 'e':
        print_number(fwu_hal_erase(number()));
        break;
    case 'l':
        erase_and_listen();
        break;
    case 'i':
        wait_and_listen();
        break;
    case 'o':
        send();
        break;
    case 'd':
        wait_for_nothing();
        break;
    case 't':
        measure();
        break;
    case 'c':
        print_number((uint32_t)fwu_hal_cause());
        break;
    case 'w':
        fwu_board_start_watchdog();
        for (;;) {
        }
    case 'q':
        __asm__ volatile("bkpt 0");
        break;
    case 'x':
        fwu_hal_reset();
        break;
#if FWU_STRATEGY != FWU_STRATEGY_COPY
    case 'b':
        print_number(fwu_hal_mapped_bank());
        break;
    case 'm':
        print_number(fwu_hal_map_bank((uint8_t)number()));
        break;
#endif
#if FWU_STRATEGY == FWU_STRATEGY_SWAP
    case 's':
        print_number(fwu_hal_swaps());
        break;
    case 'k': {
        uint32_t swaps = number();

        fwu_hal_keep((uint8_t)swaps, (enum fwu_cause)number());
        break;
    }
#endif
    default:
        print("what?");
    }
    print("\n");
}

int main(void)
{
    fwu_board_begin();
    fwu_board_open();
    print("ready\n");
    for (;;) {
        read_line();
        answer();
    }
}

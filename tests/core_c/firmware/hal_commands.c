/* Calls the functions of a HAL one by one, as the host at the module's USART asks. A line is a letter and
 * numbers in hexadecimal; so is the answer. It takes the place of application.c. */
#include <string.h>

#include "fwu_board.h"
#include "fwu_event.h"
#include "fwu_hal.h"

#define MOST 256u
#define SILENCE_MS 100u

static uint8_t line[2u * MOST + 32u];
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
        size += fwu_hal_get(line + size, 1u, 1000u);
    } while (size == 0u || line[size - 1u] != (uint8_t)'\n');
    at = line + 1;
}

static void read_flash(void)
{
    uint32_t address = number();
    uint32_t size = number();
    uint8_t data[MOST];

    if (!fwu_hal_read(address, data, size)) {
        print("no");
        return;
    }
    for (uint32_t i = 0u; i < size; i++) {
        print_byte(data[i]);
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

/* Bytes that have come while the sector was being erased; and how long the silence behind them was. */
static void erase_and_listen(void)
{
    uint32_t address = number();
    uint32_t count = 0u;
    uint32_t sum = 0u;
    uint32_t got;
    uint8_t byte[7];

    print("go\n");
    (void)fwu_hal_erase(address);
    do {
        got = fwu_hal_get(byte, sizeof byte, SILENCE_MS);
        count += got;
        for (uint32_t i = 0u; i < got; i++) {
            sum += byte[i] * (count + i);
        }
    } while (got > 0u);
    print_number(count);
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

#include "line.h"
#include "chip.h"
#include "crc32.h"

static usart_t *usart;
static uint32_t old_brr; /* to go back to; 0 when the speed is trusted */

static uint8_t frames[FRAME_COUNT][FRAME_SIZE];
static uint32_t sizes[FRAME_COUNT]; /* 0 for a damaged one */
static uint32_t filled, released;   /* frames so far: those between them wait for line_release */

static uint32_t size; /* of the frame that is coming in */
static bool is_damaged;

void line_open(void)
{
    static usart_t *const all[] = ROM_USARTS;
    uint32_t at = 0u;

    while (at + 1u < sizeof all / sizeof all[0] && !(all[at]->cr1 & USART_CR1_UE)) {
        at++;
    }
    usart = all[at];
}

uint32_t line_base(void)
{
    return (uint32_t)usart;
}

uint32_t line_brr(void)
{
    return usart->brr;
}

static void set_speed(uint32_t brr)
{
    usart->cr1 &= ~USART_CR1_UE; /* BRR can only be written while the USART is off */
    usart->brr = brr;
    usart->cr1 |= USART_CR1_UE;
}

static void doubt_speed(void)
{
    if (old_brr != 0u) {
        set_speed(old_brr);
        old_brr = 0u;
    }
}

static void end_frame(void)
{
    if ((size > 0u || is_damaged) && filled - released < FRAME_COUNT) {
        sizes[filled % FRAME_COUNT] = is_damaged ? 0u : size;
        filled++;
    }
    size = 0u;
    is_damaged = false;
}

void line_poll(void)
{
    uint32_t isr = usart->isr;

    if (isr & USART_LINE_ERRORS) {
        usart_clear_errors(usart, isr);
        is_damaged = true;
        doubt_speed();
    }
    if (!(isr & USART_ISR_RXNE)) {
        return;
    }
    uint8_t byte = (uint8_t)usart->rdr; /* without the parity bit */
    if (byte == 0u) {
        end_frame();
    } else if (size == FRAME_SIZE || filled - released == FRAME_COUNT) {
        is_damaged = true;
    } else {
        frames[filled % FRAME_COUNT][size++] = byte;
    }
}

void line_wait(void)
{
    __asm volatile("yield");
    IWDG_KR = IWDG_REFRESH;
    line_poll();
}

/* Decode COBS in place. The size of what it held; -1 where it is none. */
static int32_t unstuff(uint8_t *data, uint32_t length)
{
    uint32_t from = 0u, to = 0u;

    while (from < length) {
        uint32_t code = data[from++];
        if (from + code - 1u > length) {
            return -1;
        }
        line_poll(); /* zeros in a row have no bytes to copy */
        for (uint32_t left = code - 1u; left > 0u; left--) {
            data[to++] = data[from++];
            line_poll();
        }
        if (code < 0xFFu && from < length) {
            data[to++] = 0u;
        }
    }
    return (int32_t)to;
}

int32_t line_receive(uint8_t **content)
{
    while (filled == released) {
        line_wait();
    }
    uint8_t *data = frames[released % FRAME_COUNT];
    int32_t length = unstuff(data, sizes[released % FRAME_COUNT]);
    *content = data;
    if (length <= 4 || crc32(0u, data, (uint32_t)length) != CRC32_RESIDUE) {
        doubt_speed();
        return -1;
    }
    return length - 4;
}

void line_release(void)
{
    released++;
}

static void put(uint8_t byte)
{
    line_poll();
    while (!(usart->isr & USART_ISR_TXE)) {
        line_wait();
    }
    usart->tdr = byte;
}

void line_send(uint8_t *content, uint32_t length)
{
    uint32_t crc = crc32(0u, content, length);

    for (uint32_t i = 0u; i < 4u; i++) {
        content[length++] = (uint8_t)(crc >> 8u * i);
    }
    put(0u);
    for (uint32_t from = 0u; from <= length;) {
        uint32_t run = 0u; /* bytes before the next zero, at most 254 */
        while (from + run < length && content[from + run] != 0u && run < 254u) {
            run++;
            line_poll();
        }
        put((uint8_t)(run + 1u));
        for (uint32_t i = 0u; i < run; i++) {
            put(content[from + i]);
        }
        from += run + (run < 254u ? 1u : 0u);
    }
    put(0u);
}

void line_finish(void)
{
    while (!(usart->isr & USART_ISR_TC)) {
        line_wait();
    }
}

void line_change_speed(uint32_t brr)
{
    line_finish();
    old_brr = usart->brr;
    set_speed(brr);
}

void line_trust(void)
{
    old_brr = 0u;
}

#include "serial_ring.h"

#include "cortex_m.h"
#include "fwu_board.h"
#include "fwu_hal.h"

#ifndef FWU_BOOTLOADER

struct serial_ring serial_ring;

static uint32_t take(uint8_t *data, uint32_t size)
{
    uint32_t count = 0u;

    while (count < size && serial_ring.taken != serial_ring.put) {
        data[count++] = serial_ring.bytes[serial_ring.taken % SERIAL_RING_SIZE];
        serial_ring.taken++;
    }
    return count;
}

/* With interrupts off a byte cannot come between the question and the sleep; it ends the sleep. */
static void sleep_unless_bytes(void)
{
    interrupts_off();
    if (serial_ring.taken == serial_ring.put) {
        sleep_until_interrupt();
    }
    interrupts_on();
}

uint32_t fwu_hal_get(uint8_t *data, uint32_t size, uint32_t timeout_ms)
{
    uint32_t start = fwu_hal_now_ms();

    for (;;) {
        uint32_t count = take(data, size);

        fwu_board_feed_watchdog();
        /* more, not equal: the first tick may come at once */
        if (count > 0u || timeout_ms == 0u || fwu_hal_now_ms() - start > timeout_ms) {
            return count;
        }
        sleep_unless_bytes();
    }
}

#endif

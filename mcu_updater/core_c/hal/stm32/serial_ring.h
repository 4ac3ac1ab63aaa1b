/* What the module has sent and nobody has asked for yet. One interrupt puts, one reader takes. */
#ifndef SERIAL_RING_H
#define SERIAL_RING_H

#include <stdint.h>

/* At 115,200 baud 88 ms: longer than any page is erased and written. */
#define SERIAL_RING_SIZE 1024u

struct serial_ring {
    volatile uint32_t put;
    volatile uint32_t taken;
    volatile uint32_t lost; /* bytes for which there was no room, or that came too fast; for a debugger */
    uint8_t bytes[SERIAL_RING_SIZE];
};

extern struct serial_ring serial_ring;

/* For the interrupt; inline, for that one runs from RAM. */
static inline void serial_ring_put(uint8_t byte)
{
    uint32_t put = serial_ring.put;

    if (put - serial_ring.taken == SERIAL_RING_SIZE) {
        serial_ring.lost++;
        return;
    }
    serial_ring.bytes[put % SERIAL_RING_SIZE] = byte;
    serial_ring.put = put + 1u;
}

#endif

#include "crc32.h"
#include "line.h"

typedef struct __attribute__((packed)) {
    uint32_t value;
} anywhere_t; /* which an M4 loads at once, and an M0+ byte by byte */

static uint32_t table[256];

void crc32_begin(void)
{
    for (uint32_t i = 0u; i < 256u; i++) {
        uint32_t entry = i;
        for (uint32_t bit = 0u; bit < 8u; bit++) {
            entry = entry >> 1 ^ (entry & 1u ? 0xEDB88320u : 0u);
        }
        table[i] = entry;
    }
}

static uint32_t step(uint32_t crc, uint32_t byte)
{
    return table[(crc ^ byte) & 0xFFu] ^ crc >> 8;
}

uint32_t crc32(uint32_t crc, const uint8_t *data, uint32_t size)
{
    line_poll();
    crc = ~crc;
    for (; size >= 4u; size -= 4u, data += 4) {
        uint32_t word = ((const anywhere_t *)data)->value;
        for (uint32_t i = 0u; i < 4u; i++, word >>= 8) {
            crc = step(crc, word & 0xFFu);
        }
        line_poll();
    }
    for (; size > 0u; size--) {
        crc = step(crc, *data++);
        line_poll();
    }
    return ~crc;
}

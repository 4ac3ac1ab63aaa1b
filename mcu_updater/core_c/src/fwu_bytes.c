#include "fwu_bytes.h"

#include <string.h>

void fwu_copy(void *to, const void *from, uint32_t size)
{
    if (size > 0) {
        memcpy(to, from, size);
    }
}

void fwu_fill(void *to, uint8_t value, uint32_t size)
{
    if (size > 0) {
        memset(to, value, size);
    }
}

bool fwu_same(const void *one, const void *other, uint32_t size)
{
    return size == 0 || memcmp(one, other, size) == 0;
}

uint32_t fwu_get_u16(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8;
}

uint32_t fwu_get_u32(const uint8_t *from)
{
    return fwu_get_u16(from) | fwu_get_u16(from + 2) << 16;
}

void fwu_put_u16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value & 0xFFu);
    to[1] = (uint8_t)(value >> 8 & 0xFFu);
}

void fwu_put_u32(uint8_t *to, uint32_t value)
{
    fwu_put_u16(to, value);
    fwu_put_u16(to + 2, value >> 16);
}

uint32_t fwu_get_big_u32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

void fwu_put_big_u32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16 & 0xFFu);
    to[2] = (uint8_t)(value >> 8 & 0xFFu);
    to[3] = (uint8_t)(value & 0xFFu);
}

/* A name stands right behind its size, which is compared first. */
bool fwu_same_component(const struct fwu_component *one, const struct fwu_component *other)
{
    return fwu_same(one, other, 1u + one->size);
}

bool fwu_same_version(const struct fwu_version *one, const struct fwu_version *other)
{
    return fwu_same(one, other, 1u + one->size);
}

bool fwu_is_utf8(const uint8_t *text, uint32_t size, bool breaks_off)
{
    uint32_t at = 0;

    while (at < size) {
        uint32_t first = text[at++];
        uint32_t least = 0x80; /* of the second byte, as most is */
        uint32_t most = 0xBF;
        uint32_t more;

        if (first < 0x80u) {
            continue;
        }
        if (first < 0xC2u || first > 0xF4u) {
            return false;
        }
        more = first < 0xE0u ? 1u : first < 0xF0u ? 2u : 3u;
        if (first == 0xE0u) {
            least = 0xA0;
        } else if (first == 0xF0u) {
            least = 0x90;
        } else if (first == 0xF4u) {
            most = 0x8F;
        } else if (first == 0xEDu && at + 1u < size) { /* Python: a surrogate when it is complete */
            most = 0x9F;
        }
        for (; more > 0; more--, at++) {
            if (at == size) {
                return breaks_off;
            }
            if (text[at] < least || text[at] > most) {
                return false;
            }
            least = 0x80;
            most = 0xBF;
        }
    }
    return true;
}

uint32_t fwu_hex_digit(uint32_t character)
{
    uint32_t digit = character - '0';
    uint32_t letter = (character & 0xDFu) - (uint32_t)'A'; /* of either case */

    if (digit < 10u) {
        return digit;
    }
    return letter < 6u ? letter + 10u : FWU_NO_DIGIT;
}

uint32_t fwu_hex_byte(const uint8_t *digits)
{
    return fwu_hex_digit(digits[0]) << 4 | fwu_hex_digit(digits[1]);
}

#define CRC_POLYNOMIAL 0xEDB88320u

/* Bit by bit: a table is faster, and longer than all of this. */
uint32_t fwu_crc32(uint32_t crc, const uint8_t *data, uint32_t size)
{
    uint32_t bit;

    crc = ~crc;
    for (; size > 0; size--) {
        crc ^= *data++;
        for (bit = 0; bit < 8u; bit++) {
            crc = crc >> 1 ^ (CRC_POLYNOMIAL & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

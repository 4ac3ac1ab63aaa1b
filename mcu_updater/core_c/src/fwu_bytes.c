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

bool fwu_same_component(const struct fwu_component *one, const struct fwu_component *other)
{
    return one->size == other->size && fwu_same(one->text, other->text, one->size);
}

bool fwu_same_version(const struct fwu_version *one, const struct fwu_version *other)
{
    return one->size == other->size && fwu_same(one->text, other->text, one->size);
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

/* What half a byte does to the CRC: a table of 64 bytes in place of 1024. */
static const uint32_t crc_of_nibble[16] = {
    0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
    0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
    0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};

uint32_t fwu_crc32(uint32_t crc, const uint8_t *data, uint32_t size)
{
    uint32_t i;

    crc = ~crc;
    for (i = 0; i < size; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ crc_of_nibble[crc & 0xFu];
        crc = crc >> 4 ^ crc_of_nibble[crc & 0xFu];
    }
    return ~crc;
}

/* Bytes, names and numbers. No function here looks past the sizes that it is given. */
#ifndef FWU_BYTES_H
#define FWU_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#define FWU_COMPONENT_SIZE 32u /* bytes at most; the module's limits */
#define FWU_VERSION_SIZE 64u

/* A name of a component. Not terminated by a zero. */
struct fwu_component {
    uint8_t size;
    char text[FWU_COMPONENT_SIZE];
};

struct fwu_version {
    uint8_t size;
    char text[FWU_VERSION_SIZE];
};

/* Bytes that somebody else owns. */
struct fwu_bytes {
    const uint8_t *data;
    uint32_t size;
};

void fwu_copy(void *to, const void *from, uint32_t size); /* must not overlap */
void fwu_fill(void *to, uint8_t value, uint32_t size);
bool fwu_same(const void *one, const void *other, uint32_t size);

uint32_t fwu_get_u16(const uint8_t *from); /* little-endian */
uint32_t fwu_get_u32(const uint8_t *from);
uint32_t fwu_get_big_u32(const uint8_t *from); /* big-endian */
void fwu_put_u16(uint8_t *to, uint32_t value);
void fwu_put_u32(uint8_t *to, uint32_t value);
void fwu_put_big_u32(uint8_t *to, uint32_t value);

bool fwu_same_component(const struct fwu_component *one, const struct fwu_component *other);
bool fwu_same_version(const struct fwu_version *one, const struct fwu_version *other);

/* UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing above U+10FFFF. The last
 * character may break off where breaks_off says so. */
bool fwu_is_utf8(const uint8_t *text, uint32_t size, bool breaks_off);

/* FWU_NO_DIGIT: it is none. A byte of two digits is more than 0xFF where one of them is none. */
#define FWU_NO_DIGIT 0x100u
uint32_t fwu_hex_digit(uint32_t character);
uint32_t fwu_hex_byte(const uint8_t *digits);

/* CRC-32 of zlib. Begin with 0; go on with what it returned. */
uint32_t fwu_crc32(uint32_t crc, const uint8_t *data, uint32_t size);

#endif

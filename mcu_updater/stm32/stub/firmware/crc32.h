/* CRC-32 of zlib. Polls the line while it works. */
#pragma once
#include <stdint.h>

#define CRC32_RESIDUE 0x2144DF1Cu /* of data that its own CRC follows, low byte first */

void crc32_begin(void);

/* CRC of `size` bytes behind others with the CRC `crc`; 0 where there are none. */
uint32_t crc32(uint32_t crc, const uint8_t *data, uint32_t size);

/* Decoder of the LZ4 block format. Polls the line while it works. */
#pragma once
#include <stdint.h>

/*
 * Decode block[0 .. size) into made_at[0 .. room), which is to be programmed at `address`. What is
 * in flash before `address` is the dictionary: a match may begin there. Returns the number of bytes
 * made, or -1 for a block that is none or leaves that room or the flash.
 */
int32_t lz4_decode(const uint8_t *block, uint32_t size, uint8_t *made_at, uint32_t room,
                   uint32_t address);

#include "lz4.h"
#include "chip.h"
#include "line.h"

#define SHORTEST_MATCH 4u
#define LONG 15u /* in a token: more bytes of the length follow */

typedef struct {
    const uint8_t *at, *end;
} input_t;

/* A length that begins in a token. -1 where the input ends in it, or it is beyond any block of flash. */
static int32_t length_of(input_t *in, uint32_t nibble)
{
    uint32_t length = nibble;
    uint32_t more = nibble == LONG ? 255u : 0u;

    while (more == 255u) {
        if (in->at == in->end || length > BLOCK_SIZE) {
            return -1;
        }
        more = *in->at++;
        length += more;
        line_poll();
    }
    return (int32_t)length;
}

int32_t lz4_decode(const uint8_t *block, uint32_t size, uint8_t *made_at, uint32_t room,
                   uint32_t address)
{
    input_t in = {block, block + size};
    uint32_t made = 0u;

    while (in.at < in.end) {
        line_poll();
        uint32_t token = *in.at++;
        int32_t length = length_of(&in, token >> 4);
        if (length < 0 || length > in.end - in.at || (uint32_t)length > room - made) {
            return -1;
        }
        for (; length > 0; length--) {
            made_at[made++] = *in.at++;
            line_poll();
        }
        if (in.at == in.end) {
            return (int32_t)made; /* the last sequence has literals only */
        }
        if (in.end - in.at < 2) {
            return -1;
        }
        uint32_t back = in.at[0] | (uint32_t)in.at[1] << 8;
        in.at += 2;
        length = length_of(&in, token & LONG);
        if (length < 0 || back == 0u || back > made + (address - FLASH_BASE) ||
            (uint32_t)length + SHORTEST_MATCH > room - made) {
            return -1;
        }
        for (length += (int32_t)SHORTEST_MATCH; length > 0; length--, made++) {
            const uint8_t *start = made >= back ? made_at : (const uint8_t *)address;
            made_at[made] = start[(int32_t)(made - back)];
            line_poll();
        }
    }
    return -1;
}

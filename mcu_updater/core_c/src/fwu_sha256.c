#include "fwu_bytes.h"
#include "fwu_hash_frame.h"

/* FIPS 180-4, section 5.3.3. */
static const uint32_t initial[8] = {
    0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au, 0x510E527Fu, 0x9B05688Cu,
    0x1F83D9ABu, 0x5BE0CD19u};

/* Section 4.2.2. */
static const uint32_t constants[64] = {
    0x428A2F98u, 0x71374491u, 0xB5C0FBCFu, 0xE9B5DBA5u, 0x3956C25Bu, 0x59F111F1u,
    0x923F82A4u, 0xAB1C5ED5u, 0xD807AA98u, 0x12835B01u, 0x243185BEu, 0x550C7DC3u,
    0x72BE5D74u, 0x80DEB1FEu, 0x9BDC06A7u, 0xC19BF174u, 0xE49B69C1u, 0xEFBE4786u,
    0x0FC19DC6u, 0x240CA1CCu, 0x2DE92C6Fu, 0x4A7484AAu, 0x5CB0A9DCu, 0x76F988DAu,
    0x983E5152u, 0xA831C66Du, 0xB00327C8u, 0xBF597FC7u, 0xC6E00BF3u, 0xD5A79147u,
    0x06CA6351u, 0x14292967u, 0x27B70A85u, 0x2E1B2138u, 0x4D2C6DFCu, 0x53380D13u,
    0x650A7354u, 0x766A0ABBu, 0x81C2C92Eu, 0x92722C85u, 0xA2BFE8A1u, 0xA81A664Bu,
    0xC24B8B70u, 0xC76C51A3u, 0xD192E819u, 0xD6990624u, 0xF40E3585u, 0x106AA070u,
    0x19A4C116u, 0x1E376C08u, 0x2748774Cu, 0x34B0BCB5u, 0x391C0CB3u, 0x4ED8AA4Au,
    0x5B9CCA4Fu, 0x682E6FF3u, 0x748F82EEu, 0x78A5636Fu, 0x84C87814u, 0x8CC70208u,
    0x90BEFFFAu, 0xA4506CEBu, 0xBEF9A3F7u, 0xC67178F2u};

static uint32_t rotated(uint32_t word, uint32_t bits)
{
    return word >> bits | word << (32u - bits);
}

/* Word t of the message schedule, of which the last 16 are kept; section 6.2.2, step 1. */
static void schedule(uint32_t words[16], uint32_t t)
{
    uint32_t one = words[(t + 1u) % 16u];
    uint32_t other = words[(t + 14u) % 16u];

    words[t % 16u] += (rotated(one, 7) ^ rotated(one, 18) ^ one >> 3) + words[(t + 9u) % 16u] +
                      (rotated(other, 17) ^ rotated(other, 19) ^ other >> 10);
}

/* Section 6.2.2, step 3. s: the working variables a to h. */
static void mix(uint32_t s[8], uint32_t addend)
{
    uint32_t a = s[0];
    uint32_t e = s[4];
    uint32_t i;
    uint32_t one = s[7] + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) +
                   (s[6] ^ (e & (s[5] ^ s[6]))) + addend;
    uint32_t two = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) +
                   ((a & s[1]) | (s[2] & (a | s[1])));

    for (i = 7; i > 0; i--) {
        s[i] = s[i - 1u];
    }
    s[4] += one;
    s[0] = one + two;
}

static void compress(uint32_t *chain, const uint8_t *block)
{
    uint32_t words[16];
    uint32_t s[8];
    uint32_t t;

    fwu_copy(s, chain, sizeof s);
    for (t = 0; t < 64u; t++) {
        if (t < 16u) {
            words[t] = fwu_get_big_u32(block + 4u * t);
        } else {
            schedule(words, t);
        }
        mix(s, constants[t] + words[t % 16u]);
    }
    for (t = 0; t < 8u; t++) {
        chain[t] += s[t];
    }
}

static const struct fwu_hash_kind kind = {initial, 8, true, compress};

void fwu_sha256_begin(struct fwu_hash *hash)
{
    fwu_hash_begin(hash, &kind);
}

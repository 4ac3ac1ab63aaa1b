#include "fwu_bytes.h"
#include "fwu_hash_frame.h"

/* RFC 1321, section 3.3. */
static const uint32_t initial[4] = {
    0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u};

/* Section 3.4: 2^32 * abs(sin(i)), for i from 1 on. */
static const uint32_t constants[64] = {
    0xD76AA478u, 0xE8C7B756u, 0x242070DBu, 0xC1BDCEEEu, 0xF57C0FAFu, 0x4787C62Au,
    0xA8304613u, 0xFD469501u, 0x698098D8u, 0x8B44F7AFu, 0xFFFF5BB1u, 0x895CD7BEu,
    0x6B901122u, 0xFD987193u, 0xA679438Eu, 0x49B40821u, 0xF61E2562u, 0xC040B340u,
    0x265E5A51u, 0xE9B6C7AAu, 0xD62F105Du, 0x02441453u, 0xD8A1E681u, 0xE7D3FBC8u,
    0x21E1CDE6u, 0xC33707D6u, 0xF4D50D87u, 0x455A14EDu, 0xA9E3E905u, 0xFCEFA3F8u,
    0x676F02D9u, 0x8D2A4C8Au, 0xFFFA3942u, 0x8771F681u, 0x6D9D6122u, 0xFDE5380Cu,
    0xA4BEEA44u, 0x4BDECFA9u, 0xF6BB4B60u, 0xBEBFBC70u, 0x289B7EC6u, 0xEAA127FAu,
    0xD4EF3085u, 0x04881D05u, 0xD9D4D039u, 0xE6DB99E5u, 0x1FA27CF8u, 0xC4AC5665u,
    0xF4292244u, 0x432AFF97u, 0xAB9423A7u, 0xFC93A039u, 0x655B59C3u, 0x8F0CCC92u,
    0xFFEFF47Du, 0x85845DD1u, 0x6FA87E4Fu, 0xFE2CE6E0u, 0xA3014314u, 0x4E0811A1u,
    0xF7537E82u, 0xBD3AF235u, 0x2AD7D2BBu, 0xEB86D391u};

/* Of each of the four rounds: how far its steps rotate; its words are those of these indices. */
static const uint8_t shifts[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
static const uint8_t first_word[4] = {0, 1, 5, 0};
static const uint8_t word_step[4] = {1, 5, 3, 7};

static uint32_t mixed(uint32_t round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round) {
    case 0:
        return d ^ (b & (c ^ d));
    case 1:
        return c ^ (d & (b ^ c));
    case 2:
        return b ^ c ^ d;
    default:
        return c ^ (b | ~d);
    }
}

static void compress(uint32_t *chain, const uint8_t *block)
{
    uint32_t a = chain[0];
    uint32_t b = chain[1];
    uint32_t c = chain[2];
    uint32_t d = chain[3];
    uint32_t t;

    for (t = 0; t < 64u; t++) {
        uint32_t round = t / 16u;
        uint32_t word = (first_word[round] + word_step[round] * (t % 16u)) % 16u;
        uint32_t shift = shifts[round][t % 4u];
        uint32_t sum = a + mixed(round, b, c, d) + constants[t] +
                       fwu_get_u32(block + 4u * word);

        a = d;
        d = c;
        c = b;
        b += sum << shift | sum >> (32u - shift);
    }
    chain[0] += a;
    chain[1] += b;
    chain[2] += c;
    chain[3] += d;
}

static const struct fwu_hash_kind kind = {initial, 4, false, compress};

void fwu_md5_begin(struct fwu_hash *hash)
{
    fwu_hash_begin(hash, &kind);
}

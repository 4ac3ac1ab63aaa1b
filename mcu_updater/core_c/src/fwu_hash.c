/* What MD5 and SHA-256 have in common: residue, padding, states. See fwu_hash_frame.h. */
#include "fwu_hash_frame.h"

#include "fwu_bytes.h"

static uint32_t big_endian(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void put_big_endian(uint8_t *to, uint32_t value)
{
    fwu_put_u16(to, value >> 24 | (value >> 8 & 0xFF00u));
    fwu_put_u16(to + 2, (value >> 8 & 0xFFu) | value << 8);
}

uint32_t fwu_hash_word(const struct fwu_hash_kind *kind, const uint8_t *from)
{
    return kind->is_big_endian ? big_endian(from) : fwu_get_u32(from);
}

static void put_word(const struct fwu_hash_kind *kind, uint8_t *to, uint32_t value)
{
    if (kind->is_big_endian) {
        put_big_endian(to, value);
    } else {
        fwu_put_u32(to, value);
    }
}

void fwu_hash_begin(const struct fwu_hash_kind *kind, struct fwu_hash *hash)
{
    hash->length = 0;
    fwu_copy(hash->chain, kind->initial, kind->words * 4u);
}

void fwu_hash_add(const struct fwu_hash_kind *kind, struct fwu_hash *hash, const uint8_t *data,
                  uint32_t size)
{
    while (size > 0) {
        uint32_t held = hash->length % FWU_BLOCK_SIZE;
        uint32_t room = FWU_BLOCK_SIZE - held;
        uint32_t taken = size < room ? size : room;

        fwu_copy(hash->residue + held, data, taken);
        hash->length += taken;
        data += taken;
        size -= taken;
        if (taken == room) {
            kind->compress(hash->chain, hash->residue);
        }
    }
}

static void put_chain(const struct fwu_hash_kind *kind, const struct fwu_hash *hash, uint8_t *to)
{
    uint32_t i;

    for (i = 0; i < kind->words; i++) {
        put_word(kind, to + 4u * i, hash->chain[i]);
    }
}

void fwu_hash_end(const struct fwu_hash_kind *kind, struct fwu_hash *hash, uint8_t *digest)
{
    static const uint8_t mark = 0x80;
    static const uint8_t zero = 0;
    uint8_t bits[8]; /* length of the message, modulo 2^64 */
    uint32_t high = kind->is_big_endian ? 0 : 4;

    put_word(kind, bits + high, hash->length >> 29);
    put_word(kind, bits + 4 - high, hash->length << 3);
    fwu_hash_add(kind, hash, &mark, 1);
    while (hash->length % FWU_BLOCK_SIZE != FWU_BLOCK_SIZE - sizeof bits) {
        fwu_hash_add(kind, hash, &zero, 1);
    }
    fwu_hash_add(kind, hash, bits, sizeof bits);
    put_chain(kind, hash, digest);
}

void fwu_hash_save(const struct fwu_hash_kind *kind, const struct fwu_hash *hash, uint8_t *head)
{
    fwu_fill(head, 0, 4);
    put_big_endian(head + 4, hash->length);
    put_chain(kind, hash, head + 8);
}

bool fwu_hash_restore(const struct fwu_hash_kind *kind, struct fwu_hash *hash, const uint8_t *head)
{
    uint32_t i;

    hash->length = big_endian(head + 4);
    for (i = 0; i < kind->words; i++) {
        hash->chain[i] = fwu_hash_word(kind, head + 8u + 4u * i);
    }
    return big_endian(head) == 0;
}

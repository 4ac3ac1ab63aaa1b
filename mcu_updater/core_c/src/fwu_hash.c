/* What MD5 and SHA-256 have in common: residue, padding, states. See fwu_hash_frame.h. */
#include "fwu_hash_frame.h"

#include "fwu_bytes.h"

#define HEAD_BEFORE_CHAIN 8u

static uint32_t get_word(const struct fwu_hash *hash, const uint8_t *from)
{
    return hash->kind->is_big_endian ? fwu_get_big_u32(from) : fwu_get_u32(from);
}

static void put_word(const struct fwu_hash *hash, uint8_t *to, uint32_t value)
{
    if (hash->kind->is_big_endian) {
        fwu_put_big_u32(to, value);
    } else {
        fwu_put_u32(to, value);
    }
}

void fwu_hash_begin(struct fwu_hash *hash, const struct fwu_hash_kind *kind)
{
    hash->kind = kind;
    hash->length = 0;
    fwu_copy(hash->chain, kind->initial, kind->words * 4u);
}

void fwu_hash_add(struct fwu_hash *hash, const uint8_t *data, uint32_t size)
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
            hash->kind->compress(hash->chain, hash->residue);
        }
    }
}

static void put_chain(const struct fwu_hash *hash, uint8_t *to)
{
    uint32_t i;

    for (i = 0; i < hash->kind->words; i++) {
        put_word(hash, to + 4u * i, hash->chain[i]);
    }
}

void fwu_hash_end(struct fwu_hash *hash, uint8_t *digest)
{
    uint8_t end[FWU_BLOCK_SIZE + 8u] = {0x80};
    uint32_t padding = 1u + (FWU_BLOCK_SIZE - 9u - hash->length) % FWU_BLOCK_SIZE;
    uint8_t *bits = end + padding; /* length of the message, modulo 2^64 */
    uint32_t high = hash->kind->is_big_endian ? 0 : 4;

    put_word(hash, bits + high, hash->length >> 29);
    put_word(hash, bits + 4 - high, hash->length << 3);
    fwu_hash_add(hash, end, padding + 8u);
    put_chain(hash, digest);
}

/* --- states */

uint32_t fwu_hash_head_size(const struct fwu_hash *hash)
{
    return HEAD_BEFORE_CHAIN + 4u * hash->kind->words;
}

void fwu_hash_save(const struct fwu_hash *hash, uint8_t *head)
{
    fwu_put_u32(head, 0);
    fwu_put_big_u32(head + 4, hash->length);
    put_chain(hash, head + HEAD_BEFORE_CHAIN);
}

bool fwu_hash_restore(struct fwu_hash *hash, const uint8_t *head)
{
    uint32_t i;

    hash->length = fwu_get_big_u32(head + 4);
    for (i = 0; i < hash->kind->words; i++) {
        hash->chain[i] = get_word(hash, head + HEAD_BEFORE_CHAIN + 4u * i);
    }
    return fwu_get_u32(head) == 0;
}

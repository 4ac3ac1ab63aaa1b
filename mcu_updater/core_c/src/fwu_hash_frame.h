/* Inside of fwu_hash.h: MD5 and SHA-256 differ in byte order, start and compression only. */
#ifndef FWU_HASH_FRAME_H
#define FWU_HASH_FRAME_H

#include "fwu_hash.h"

struct fwu_hash_kind {
    const uint32_t *initial;
    uint32_t words; /* of the chain */
    bool is_big_endian;
    void (*compress)(uint32_t *chain, const uint8_t *block); /* block: FWU_BLOCK_SIZE bytes */
};

uint32_t fwu_hash_word(const struct fwu_hash_kind *kind, const uint8_t *from);
void fwu_hash_begin(const struct fwu_hash_kind *kind, struct fwu_hash *hash);
void fwu_hash_add(const struct fwu_hash_kind *kind, struct fwu_hash *hash, const uint8_t *data,
                  uint32_t size);
void fwu_hash_end(const struct fwu_hash_kind *kind, struct fwu_hash *hash, uint8_t *digest);
void fwu_hash_save(const struct fwu_hash_kind *kind, const struct fwu_hash *hash, uint8_t *head);
bool fwu_hash_restore(const struct fwu_hash_kind *kind, struct fwu_hash *hash,
                      const uint8_t *head);

#endif

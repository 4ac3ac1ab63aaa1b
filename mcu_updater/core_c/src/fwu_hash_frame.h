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

void fwu_hash_begin(struct fwu_hash *hash, const struct fwu_hash_kind *kind);

#endif

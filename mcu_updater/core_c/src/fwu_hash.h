/* MD5 (RFC 1321) and SHA-256 (FIPS 180-4), whose states can be saved and restored.
 *
 * A state is: bytes hashed so far (8, big-endian), chaining values as in a digest, then the bytes that
 * do not fill a block of 64 yet: FORMAT.md, section 8. */
#ifndef FWU_HASH_H
#define FWU_HASH_H

#include <stdbool.h>
#include <stdint.h>

#define FWU_BLOCK_SIZE 64u

struct fwu_hash {
    uint32_t length; /* bytes hashed so far; packages and images are below 4 GiB */
    uint32_t chain[8]; /* MD5 uses 4 */
    uint8_t residue[FWU_BLOCK_SIZE]; /* length % 64 bytes that fill no block yet */
};

void fwu_sha256_begin(struct fwu_hash *hash);
void fwu_sha256_add(struct fwu_hash *hash, const uint8_t *data, uint32_t size);
/* The digest of all that was added; the hash is used up. */
void fwu_sha256_end(struct fwu_hash *hash, uint8_t digest[32]);

void fwu_md5_begin(struct fwu_hash *hash);
void fwu_md5_add(struct fwu_hash *hash, const uint8_t *data, uint32_t size);
void fwu_md5_end(struct fwu_hash *hash, uint8_t digest[16]);

#define FWU_SHA256_HEAD 40u /* of a state, before the residue */
#define FWU_MD5_HEAD 24u

/* The first bytes of the state; the residue stands behind them, length % 64 bytes. */
void fwu_sha256_save(const struct fwu_hash *hash, uint8_t head[FWU_SHA256_HEAD]);
void fwu_md5_save(const struct fwu_hash *hash, uint8_t head[FWU_MD5_HEAD]);

/* Take over a head; the caller fills the residue. False where no hash gave it. */
bool fwu_sha256_restore(struct fwu_hash *hash, const uint8_t head[FWU_SHA256_HEAD]);
bool fwu_md5_restore(struct fwu_hash *hash, const uint8_t head[FWU_MD5_HEAD]);

#endif

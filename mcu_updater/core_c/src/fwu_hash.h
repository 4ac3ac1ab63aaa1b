/* MD5 (RFC 1321) and SHA-256 (FIPS 180-4), whose states can be saved and restored.
 *
 * A state is: bytes hashed so far (8, big-endian), chaining values as in a digest, then the bytes that
 * do not fill a block of 64 yet: FORMAT.md, section 8. */
#ifndef FWU_HASH_H
#define FWU_HASH_H

#include <stdbool.h>
#include <stdint.h>

#define FWU_BLOCK_SIZE 64u

struct fwu_hash_kind;

struct fwu_hash {
    const struct fwu_hash_kind *kind; /* MD5 or SHA-256 */
    uint32_t length; /* bytes hashed so far; packages and images are below 4 GiB */
    uint32_t chain[8]; /* MD5 uses 4 */
    uint8_t residue[FWU_BLOCK_SIZE]; /* length % 64 bytes that fill no block yet */
};

/* Which of both it is, is chosen here. */
void fwu_sha256_begin(struct fwu_hash *hash);
void fwu_md5_begin(struct fwu_hash *hash);

void fwu_hash_add(struct fwu_hash *hash, const uint8_t *data, uint32_t size);
/* The digest of all that was added, of 32 or 16 bytes; the hash is used up. */
void fwu_hash_end(struct fwu_hash *hash, uint8_t *digest);

#define FWU_SHA256_HEAD 40u /* of a state, before the residue */
#define FWU_MD5_HEAD 24u

/* Which of them it is of this hash. */
uint32_t fwu_hash_head_size(const struct fwu_hash *hash);

/* The first bytes of the state; the residue stands behind them, length % 64 bytes. */
void fwu_hash_save(const struct fwu_hash *hash, uint8_t *head);

/* Take over a head of this kind; the caller fills the residue. False where no hash gave it. */
bool fwu_hash_restore(struct fwu_hash *hash, const uint8_t *head);

#endif

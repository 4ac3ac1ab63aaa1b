/* One piece of the package into the slot: digests, decoder, writer. The twin in Python is
 * mcu_updater/core/loader.py. */
#ifndef FWU_LOADER_H
#define FWU_LOADER_H

#include "fwu_image.h"
#include "fwu_journal.h"
#include "fwu_writer.h"

/* What is small stands first: it takes less code to get at. */
struct fwu_loader {
    uint8_t stage; /* of fwu_loader_next and _finish, private */
    uint8_t fault; /* enum fwu_fault: why FWU_REJECTED */
    uint32_t base; /* where a raw image is linked */
    uint32_t head_size; /* what came before the format was known: it waits in writer.held */
    struct fwu_bytes data;     /* of fwu_loader_feed, that is still to be decoded */
    struct fwu_extent extent;  /* that is still to be written */
    struct fwu_package package;
    struct fwu_hash md5;
    struct fwu_hash sha256;
    struct fwu_decoder decoder;
    struct fwu_writer writer;
};

enum fwu_load {
    FWU_LOAD_MORE = FWU_PUT_ALL,         /* the bytes are used up: read more */
    FWU_LOAD_SECTOR = FWU_PUT_SECTOR,    /* one is written and verified: record it, then call again */
    FWU_LOAD_REJECTED = FWU_PUT_FAULT,   /* loader->fault says why */
    FWU_LOAD_NOT_HELD = FWU_PUT_NOT_HELD, /* flash does not hold what was written */
    FWU_LOAD_DONE                        /* of fwu_loader_finish: the whole image is written */
};

/* base: where a raw image is linked; done: sectors that the journal calls done. */
void fwu_loader_begin(struct fwu_loader *loader, const struct fwu_bank *bank,
                      const struct fwu_package *package, uint32_t base, uint32_t done);

/* Take over the checkpoint of journal, each byte of which is read once, in order: FWU_LOAD_MORE;
 * FWU_LOAD_REJECTED where no loader of this program gave it, FWU_LOAD_NOT_HELD where it cannot be
 * read. */
enum fwu_load fwu_loader_resume(struct fwu_loader *loader, const struct fwu_journal *journal);

/* The next bytes of the package; they must stay where they are until fwu_loader_next has said
 * FWU_LOAD_MORE. */
void fwu_loader_feed(struct fwu_loader *loader, const uint8_t *data, uint32_t size);
/* Go on: call until FWU_LOAD_MORE, or an end. *sector: that is finished, with FWU_LOAD_SECTOR. */
enum fwu_load fwu_loader_next(struct fwu_loader *loader, uint32_t *sector);

/* The package has ended: the format, both digests, then the last sector. Call until FWU_LOAD_DONE. */
enum fwu_load fwu_loader_finish(struct fwu_loader *loader, uint32_t *sector);

/* Size of the image in the slot, and its SHA-256; after FWU_LOAD_DONE, once. */
uint32_t fwu_loader_image_size(const struct fwu_loader *loader);
void fwu_loader_image_sha256(struct fwu_loader *loader, uint8_t digest[32]);

#define FWU_CHECKPOINT_HEAD 10u
#define FWU_CHECKPOINT_PARTS 10u
/* Bytes of a checkpoint that are made for it: the others stand in the loader. */
struct fwu_checkpoint {
    uint8_t head[FWU_CHECKPOINT_HEAD];
    uint8_t decoder[FWU_DECODER_HEAD_MAX];
    uint8_t md5[FWU_MD5_HEAD];
    uint8_t sha256[FWU_SHA256_HEAD];
    uint8_t image[FWU_SHA256_HEAD];
    uint32_t count; /* of parts */
    struct fwu_bytes parts[FWU_CHECKPOINT_PARTS]; /* one behind the other they are the checkpoint */
    uint32_t size; /* of all of it */
};
/* All that is known here, for fwu_loader_resume at the next piece. FWU_LOAD_DONE, or REJECTED. Its
 * parts are valid as long as neither loader nor checkpoint changes. */
enum fwu_load fwu_loader_checkpoint(struct fwu_loader *loader, struct fwu_checkpoint *checkpoint);

#endif

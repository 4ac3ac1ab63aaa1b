/* Extents to verified sectors: whole program units, each written once, sector after sector. The twin
 * in Python is mcu_updater/core/writer.py. */
#ifndef FWU_WRITER_H
#define FWU_WRITER_H

#include "fwu_flash.h"
#include "fwu_hash.h"
#include "fwu_image.h"

/* A sector, and what fills its last unit; before that, what tells the package's format. */
#if FWU_MAX_SLOT_SECTOR < FWU_SNIFF_MAX
#define FWU_HELD_SIZE (FWU_SNIFF_MAX + FWU_PROGRAM_UNIT)
#else
#define FWU_HELD_SIZE (FWU_MAX_SLOT_SECTOR + FWU_PROGRAM_UNIT)
#endif

/* Holds one sector in RAM: an erase makes all of it blank, and what is in it must come whole. */
struct fwu_writer {
    const struct fwu_bank *bank;
    bool check_vectors;
    uint32_t done;   /* sectors below stand there already and are left alone */
    uint32_t sector; /* in RAM; the number of sectors when the slot is full */
    uint32_t start;  /* its offset in the slot */
    uint32_t size;
    uint32_t held_size;
    struct fwu_hash digest; /* of the finished sectors */
    uint8_t held[FWU_HELD_SIZE];
};

enum fwu_put {
    FWU_PUT_ALL,     /* the extent is taken */
    FWU_PUT_SECTOR,  /* sector *finished is written, verified and to be recorded; call again */
    FWU_PUT_FAULT,   /* *fault says which rule the extent breaks */
    FWU_PUT_NOT_HELD /* flash does not hold what was written, twice */
};

/* Offset in the slot behind the last byte taken; at the end, the image's size. */
uint32_t fwu_writer_cursor(const struct fwu_writer *writer);

void fwu_writer_begin(struct fwu_writer *writer, const struct fwu_bank *bank, uint32_t done,
                      bool check_vectors);

/* Go on where a writer was that held held_size bytes of sector. False where none can have been there.
 * Those bytes, and the digest, are the caller's to restore. */
bool fwu_writer_resume(struct fwu_writer *writer, uint32_t sector, uint32_t held_size);

/* Take extent, of which what is taken is taken off; call until it says FWU_PUT_ALL. Its data may lie
 * within held, from its first byte on, as long as nothing was put before. A cut while a sector
 * is being written leaves that sector in any state; none before it is touched. */
enum fwu_put fwu_writer_put(struct fwu_writer *writer, struct fwu_extent *extent,
                            uint32_t *finished, enum fwu_fault *fault);

/* Write the last, unfilled sector: once FWU_PUT_SECTOR, then FWU_PUT_ALL. */
enum fwu_put fwu_writer_finish(struct fwu_writer *writer, uint32_t *finished,
                               enum fwu_fault *fault);

#endif

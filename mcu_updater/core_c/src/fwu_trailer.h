/* Inside of the journal: what stands where in a half of a trailer. Of use to fwu_journal*.c,
 * fwu_header*.c and tests only. FORMAT.md, sections 2 to 4. */
#ifndef FWU_TRAILER_H
#define FWU_TRAILER_H

#include "fwu_journal.h"

/* Where the fields of a header stand. */
enum fwu_header_field {
    FWU_HEADER_MAGIC = 0,
    FWU_HEADER_VERSION = 4,
    FWU_HEADER_PHASE = 6,
    FWU_HEADER_REASON = 7,
    FWU_HEADER_GENERATION = 8,
    FWU_HEADER_IMAGE_SIZE = 12,
    FWU_HEADER_PACKAGE_LENGTH = 16,
    FWU_HEADER_PIECE_START = 20,
    FWU_HEADER_PACKAGE_MD5 = 28,
    FWU_HEADER_PACKAGE_SHA256 = 44,
    FWU_HEADER_IMAGE_SHA256 = 76,
    FWU_HEADER_COMPONENT = 108,
    FWU_HEADER_IMAGE_VERSION = 141,
    FWU_HEADER_HAS_PACKAGE = 206,
    FWU_HEADER_CHECKPOINT_SIZE = 207,
    FWU_HEADER_CHECKPOINT_CRC = 211,
    FWU_HEADER_IS_SIGNED = 216,
    FWU_HEADER_SECURITY_VERSION = 217,
    FWU_HEADER_FLOOR = 229
};

#define FWU_HEADER_MARK 0x4A55434Du /* "MCUJ" */
#define FWU_RECORD_SIZE (FWU_PROGRAM_UNIT > 8u ? FWU_PROGRAM_UNIT : 8u)

/* Bytes of a checkpoint that are looked at at a time: whole units, whatever the part. */
#define FWU_CHECKPOINT_STEP 64u

/* The oldest version of the format in which all of this can be said. */
uint32_t fwu_format_version(const struct fwu_snapshot *snapshot);

/* What does not count becomes 0: as a header is read. */
void fwu_clear_unused(struct fwu_snapshot *snapshot);

/* The header of snapshot, in which what does not count is 0, and names are not longer than they may
 * be. */
void fwu_encode_header(const struct fwu_snapshot *snapshot, uint8_t turn,
                       uint8_t raw[FWU_HEADER_SIZE]);

/* False: no header of a format that is read here. sectors_done is 0: records say it. */
bool fwu_decode_header(const uint8_t raw[FWU_HEADER_SIZE], struct fwu_snapshot *snapshot);

/* Header and checkpoint of one half, into journal. False at the first thing that is wrong; what is
 * behind it is not looked at. */
bool fwu_read_header(const struct fwu_bank *bank, uint8_t half, struct fwu_journal *journal);

/* What the records behind that header say. */
void fwu_read_records(const struct fwu_bank *bank, bool settled, struct fwu_journal *journal);

uint32_t fwu_checkpoint_start(const struct fwu_bank *bank);

bool fwu_program_record(const struct fwu_window *half, enum fwu_record record, uint32_t index,
                        uint32_t generation);

#endif

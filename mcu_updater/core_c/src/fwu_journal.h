/* What is known of one slot, in the two halves of its trailer. FORMAT.md, sections 2 to 6, has every
 * byte; the twin in Python is mcu_updater/core/journal/. */
#ifndef FWU_JOURNAL_H
#define FWU_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "fwu_bytes.h"
#include "fwu_flash.h"
#include "fwu_tables.h" /* enum fwu_phase, fwu_reason, fwu_record; where header fields stand */

/* What a signature vouches for. version: major (1), minor (1), revision (2), build (4). */
struct fwu_security_version {
    uint8_t version[8];
    uint32_t counter;
};

/* What 10701 says of the package. */
struct fwu_package {
    uint32_t length;
    uint8_t md5[16];
    uint8_t sha256[32];
};

/* One header, and the records that were written with it or since. The checkpoint stays in flash: its
 * size and CRC are here. */
struct fwu_snapshot {
    uint8_t phase;  /* enum fwu_phase */
    uint8_t reason; /* enum fwu_reason */
    bool has_package;
    bool is_signed;
    uint32_t generation;
    uint32_t image_size;
    uint32_t piece_start;
    uint32_t sectors_done;    /* FWU_PHASE_LOADING: what records say */
    uint32_t checkpoint_size; /* 0: there is none */
    uint32_t checkpoint_crc;
    struct fwu_package package;
    uint8_t image_sha256[32];
    struct fwu_security_version security_version;
    struct fwu_security_version floor; /* from here on it is what the next snapshot goes on with */
    struct fwu_component component; /* all before it is compared at once: no gap may be there */
    struct fwu_version version;
};

struct fwu_journal {
    bool is_there; /* false: no journal can be read, and nothing else here counts */
    uint8_t half;
    uint8_t turn;
    bool settled;
    bool switched;
    bool failed;
    uint8_t attempts;
    struct fwu_snapshot snapshot;
};

/* Which half of bank counts, and what its records say. Looks at no more than it takes to know. */
void fwu_journal_read(const struct fwu_bank *bank, struct fwu_journal *journal);

/* FWU_PHASE_EMPTY where there is none; FWU_PHASE_TRIAL where a verified image was switched to. */
enum fwu_phase fwu_journal_phase(const struct fwu_journal *journal);

/* Whether something in it may be torn or weak, so that it is replaced before anyone acts on it. */
bool fwu_journal_needs_snapshot(const struct fwu_journal *journal);

/* In one header what this one and its records say together. Not for one on trial. */
void fwu_journal_current(const struct fwu_journal *journal, struct fwu_snapshot *snapshot);

/* Largest checkpoint in bytes; 0 where the trailer has no room for one. */
uint32_t fwu_journal_checkpoint_capacity(const struct fwu_bank *bank);

/* Put snapshot in the place of all that journal says, which was read before; journal then says what
 * was written. The checkpoint is parts, count of them, whose size and CRC this function puts into the
 * header; with count 0 and a checkpoint_size it is copied from the half that counts, whose CRC must
 * still hold. A cut leaves the old journal or the new one, as a whole. False where the trailer does not
 * take it: what is found out before the old one is erased leaves that, and journal is to be read
 * again. */
bool fwu_journal_write(const struct fwu_bank *bank, struct fwu_journal *journal,
                       const struct fwu_snapshot *snapshot, const struct fwu_bytes *parts,
                       uint32_t count);

/* Add a record behind the settled snapshot of journal. A cut may leave it in any state. False where
 * its place cannot be programmed: a reset may have spoilt it. journal is not changed: read it again. */
bool fwu_journal_record(const struct fwu_bank *bank, const struct fwu_journal *journal,
                        enum fwu_record record, uint32_t index);

/* Read size bytes of the checkpoint of journal's half, from offset on. */
bool fwu_journal_checkpoint(const struct fwu_bank *bank, const struct fwu_journal *journal,
                            uint32_t offset, uint8_t *data, uint32_t size);

/* Compares number by number, the build last: below 0, 0 or above. */
int fwu_compare_versions(const uint8_t one[8], const uint8_t other[8]);
/* floor becomes the higher of both, each number by itself. */
void fwu_raise_floor(struct fwu_security_version *floor, const struct fwu_security_version *by);
bool fwu_is_no_floor(const struct fwu_security_version *floor);

/* Whether the image that snapshot tells of stands in the slot, to the last bit. */
bool fwu_is_intact(const struct fwu_bank *bank, const struct fwu_snapshot *snapshot);

#endif

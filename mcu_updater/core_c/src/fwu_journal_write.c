/* Replaces what the journal says by a new snapshot. */
#include <stddef.h>

#include "fwu_trailer.h"

void fwu_journal_current(const struct fwu_journal *journal, struct fwu_snapshot *snapshot)
{
    enum fwu_phase phase = fwu_journal_phase(journal);

    fwu_copy(snapshot, &journal->snapshot, sizeof *snapshot);
    snapshot->phase = (uint8_t)phase;
    if (phase == FWU_PHASE_FAILED && snapshot->reason == FWU_REASON_NONE) {
        snapshot->reason = journal->attempts > 0 ? FWU_REASON_ATTEMPTS : FWU_REASON_NOT_INTACT;
    }
}

/* --- the checkpoint, in steps of whole units */

/* Where bytes of the checkpoint come from: parts in RAM, or the half that counts. */
struct source {
    const struct fwu_bank *bank;
    const struct fwu_journal *journal; /* NULL: parts */
    const struct fwu_bytes *parts;
    uint32_t used;   /* bytes of the first part, or of the whole checkpoint */
};

/* The next size bytes. False where a unit cannot be read. */
static bool take(struct source *source, uint8_t *data, uint32_t size)
{
    if (source->journal != NULL) {
        source->used += size;
        return fwu_journal_checkpoint(source->bank, source->journal, source->used - size, data,
                                      size);
    }
    while (size > 0) {
        uint32_t left = source->parts->size - source->used;
        uint32_t taken = size < left ? size : left;

        fwu_copy(data, source->parts->data + source->used, taken);
        data += taken;
        size -= taken;
        source->used += taken;
        if (source->used == source->parts->size) {
            source->parts++;
            source->used = 0;
        }
    }
    return true;
}

/* Padded with zeros to a whole unit. False too where it has no longer the CRC that it should have. */
static bool write_checkpoint(const struct fwu_window *half, uint32_t place, struct source *source,
                             const struct fwu_snapshot *snapshot)
{
    uint8_t step[FWU_CHECKPOINT_STEP];
    uint32_t size = snapshot->checkpoint_size;
    uint32_t crc = 0;
    uint32_t done = 0;

    while (done < size) {
        uint32_t taken = size - done < sizeof step ? size - done : (uint32_t)sizeof step;
        uint32_t units = (taken + FWU_PROGRAM_UNIT - 1u) / FWU_PROGRAM_UNIT;

        fwu_fill(step, 0, sizeof step);
        if (!take(source, step, taken) ||
            !fwu_program(half, place + done, step, units * FWU_PROGRAM_UNIT)) {
            return false;
        }
        crc = fwu_crc32(crc, step, taken);
        done += taken;
    }
    return crc == snapshot->checkpoint_crc;
}

/* --- one half */

static bool write_half(const struct fwu_bank *bank, const struct fwu_window *half,
                       struct source *source, const struct fwu_snapshot *snapshot, uint8_t turn)
{
    uint8_t raw[FWU_HEADER_SIZE];
    uint32_t index;

    if (!fwu_erase_all(half) ||
        !write_checkpoint(half, fwu_checkpoint_start(bank), source, snapshot)) {
        return false;
    }
    for (index = 0; index < snapshot->sectors_done; index++) {
        if (!fwu_program_record(half, FWU_RECORD_SECTOR, index, snapshot->generation)) {
            return false;
        }
    }
    fwu_encode_header(snapshot, turn, raw);
    return fwu_program(half, 0, raw, sizeof raw);
}

static bool same_snapshot(const struct fwu_snapshot *one, const struct fwu_snapshot *other)
{
    return fwu_same(one, other, offsetof(struct fwu_snapshot, component)) &&
           fwu_same_component(&one->component, &other->component) &&
           fwu_same_version(&one->version, &other->version);
}

/* Whether half says by itself what was written to it. */
static bool is_held(const struct fwu_bank *bank, uint8_t half, const struct fwu_snapshot *snapshot)
{
    struct fwu_journal held;

    if (!fwu_read_header(bank, half, &held)) {
        return false;
    }
    fwu_read_records(bank, false, &held);
    return same_snapshot(&held.snapshot, snapshot);
}

/* --- both */

static void measure(struct fwu_snapshot *snapshot, const struct fwu_bytes *parts, uint32_t count)
{
    uint32_t i;

    snapshot->checkpoint_size = 0;
    snapshot->checkpoint_crc = 0;
    for (i = 0; i < count; i++) {
        snapshot->checkpoint_size += parts[i].size;
        snapshot->checkpoint_crc =
            fwu_crc32(snapshot->checkpoint_crc, parts[i].data, parts[i].size);
    }
}

/* Whether the trailer can hold this at all. */
static bool fits(const struct fwu_bank *bank, const struct fwu_snapshot *snapshot)
{
    uint32_t most = snapshot->phase == FWU_PHASE_LOADING ? bank->slot.region->sectors : 0;

    return snapshot->checkpoint_size <= fwu_journal_checkpoint_capacity(bank) &&
           snapshot->sectors_done <= most && snapshot->component.size <= FWU_COMPONENT_SIZE &&
           snapshot->version.size <= FWU_VERSION_SIZE;
}

bool fwu_journal_write(const struct fwu_bank *bank, struct fwu_journal *journal,
                       const struct fwu_snapshot *snapshot, const struct fwu_bytes *parts,
                       uint32_t count)
{
    uint8_t half = journal->is_there && journal->half == 0 ? 1 : 0;
    uint8_t turn = journal->is_there ? (uint8_t)((journal->turn + 1u) % FWU_TURNS) : 0;
    struct source source = {bank, journal, parts, 0};
    struct fwu_snapshot wanted = *snapshot;

    if (count > 0) {
        source.journal = NULL;
        measure(&wanted, parts, count);
    }
    fwu_clear_unused(&wanted);
    if (!fits(bank, &wanted) || !write_half(bank, &bank->half[half], &source, &wanted, turn) ||
        !is_held(bank, half, &wanted) || !fwu_erase_sector(&bank->half[1u - half], 0) ||
        !fwu_program_record(&bank->half[half], FWU_RECORD_SETTLED, 0, wanted.generation)) {
        return false;
    }
    fwu_journal_read(bank, journal);
    return journal->is_there && journal->settled && same_snapshot(&journal->snapshot, &wanted);
}

/* Reading; and the records that a bootloader adds. What writes snapshots is fwu_journal_write.c. */
#include "fwu_journal.h"

#include "fwu_trailer.h"

#define RECORD_MARK 0x4Au

/* --- records */

static uint32_t place_of(enum fwu_record record, uint32_t index)
{
    static const uint8_t first[] = {FWU_PLACE_SETTLED, FWU_PLACE_SECTOR, FWU_PLACE_SWITCHED,
                                    FWU_PLACE_FAILED, FWU_PLACE_ATTEMPT};

    return FWU_HEADER_SIZE + (first[record] + index) * FWU_RECORD_SIZE;
}

/* A record is known in advance to the last bit, so that nothing torn can pass for it. */
static void make_record(uint8_t bytes[FWU_RECORD_SIZE], enum fwu_record record, uint32_t index,
                        uint32_t generation)
{
    uint32_t at;

    for (at = 0; at < FWU_RECORD_SIZE; at += 8u) {
        fwu_put_u32(bytes + at, RECORD_MARK | (uint32_t)record << 8 | index << 16);
        fwu_put_u32(bytes + at + 4, generation);
    }
}

static bool is_written(const struct fwu_window *half, enum fwu_record record, uint32_t index,
                       uint32_t generation)
{
    uint8_t bytes[FWU_RECORD_SIZE];

    make_record(bytes, record, index, generation);
    return fwu_holds(half, place_of(record, index), bytes, sizeof bytes);
}

static bool is_blank(const struct fwu_window *half, enum fwu_record record, uint32_t index)
{
    uint8_t bytes[FWU_RECORD_SIZE];

    fwu_fill(bytes, FWU_ERASED, sizeof bytes);
    return fwu_holds(half, place_of(record, index), bytes, sizeof bytes);
}

bool fwu_program_record(const struct fwu_window *half, enum fwu_record record, uint32_t index,
                        uint32_t generation)
{
    uint8_t bytes[FWU_RECORD_SIZE];

    make_record(bytes, record, index, generation);
    return fwu_program(half, place_of(record, index), bytes, sizeof bytes);
}

bool fwu_journal_record(const struct fwu_bank *bank, const struct fwu_journal *journal,
                        enum fwu_record record, uint32_t index)
{
    return journal->is_there && journal->settled &&
           fwu_program_record(&bank->half[journal->half], record, index,
                              journal->snapshot.generation);
}

/* Records are written in order, so the first that is missing ends them. */
static uint32_t count_sectors(const struct fwu_bank *bank, const struct fwu_window *half,
                              uint32_t generation)
{
    uint32_t count = 0;

    while (count < bank->slot.region->sectors &&
           is_written(half, FWU_RECORD_SECTOR, count, generation)) {
        count++;
    }
    return count;
}

/* All up to the last place that is not blank: one before it may be spent and read blank. */
static uint8_t count_attempts(const struct fwu_window *half)
{
    uint8_t count = 0;
    uint8_t index;

    for (index = 0; index < FWU_MAX_ATTEMPTS; index++) {
        if (!is_blank(half, FWU_RECORD_ATTEMPT, index)) {
            count = (uint8_t)(index + 1u);
        }
    }
    return count;
}

void fwu_read_records(const struct fwu_bank *bank, bool settled, struct fwu_journal *journal)
{
    const struct fwu_window *half = &bank->half[journal->half];
    struct fwu_snapshot *snapshot = &journal->snapshot;

    journal->settled = settled;
    if (snapshot->phase == FWU_PHASE_LOADING) {
        snapshot->sectors_done = count_sectors(bank, half, snapshot->generation);
    }
    if (snapshot->phase == FWU_PHASE_VERIFIED) {
        journal->switched =
            settled && is_written(half, FWU_RECORD_SWITCHED, 0, snapshot->generation);
        journal->attempts = count_attempts(half);
        journal->failed = !is_blank(half, FWU_RECORD_FAILED, 0);
    }
}

/* --- headers */

uint32_t fwu_checkpoint_start(const struct fwu_bank *bank)
{
    uint32_t places = FWU_PLACE_SECTOR + bank->slot.region->sectors;

    if (places < FWU_VERIFIED_PLACES) {
        places = FWU_VERIFIED_PLACES;
    }
    return FWU_HEADER_SIZE + places * FWU_RECORD_SIZE;
}

uint32_t fwu_journal_checkpoint_capacity(const struct fwu_bank *bank)
{
    return bank->half[0].region->size - fwu_checkpoint_start(bank);
}

static bool has_checkpoint(const struct fwu_bank *bank, const struct fwu_journal *journal)
{
    uint8_t step[FWU_CHECKPOINT_STEP];
    uint32_t size = journal->snapshot.checkpoint_size;
    uint32_t crc = 0;
    uint32_t done = 0;

    if (size > fwu_journal_checkpoint_capacity(bank)) {
        return false;
    }
    while (done < size) {
        uint32_t taken = size - done < sizeof step ? size - done : (uint32_t)sizeof step;

        if (!fwu_journal_checkpoint(bank, journal, done, step, taken)) {
            return false;
        }
        crc = fwu_crc32(crc, step, taken);
        done += taken;
    }
    return crc == journal->snapshot.checkpoint_crc;
}

bool fwu_journal_checkpoint(const struct fwu_bank *bank, const struct fwu_journal *journal,
                            uint32_t offset, uint8_t *data, uint32_t size)
{
    return fwu_read(&bank->half[journal->half], fwu_checkpoint_start(bank) + offset, data, size);
}

/* The last unit of the header, by which one that was cut short is told. */
static bool has_end(const struct fwu_window *half)
{
    uint8_t mark[4];
    uint32_t size = FWU_PROGRAM_UNIT < sizeof mark ? FWU_PROGRAM_UNIT : (uint32_t)sizeof mark;

    fwu_put_u32(mark, FWU_END_MARK);
    return fwu_holds(half, FWU_HEADER_SIZE - size, mark + sizeof mark - size, size);
}

bool fwu_read_header(const struct fwu_bank *bank, uint8_t half, struct fwu_journal *journal)
{
    uint8_t raw[FWU_HEADER_SIZE];

    fwu_fill(journal, 0, sizeof *journal);
    journal->half = half;
    if (!has_end(&bank->half[half]) || !fwu_read(&bank->half[half], 0, raw, sizeof raw) ||
        !fwu_decode_header(raw, &journal->snapshot)) {
        return false;
    }
    journal->turn = raw[FWU_HEADER_TURN_AT] % FWU_TURNS;
    journal->is_there = has_checkpoint(bank, journal);
    return journal->is_there;
}

/* --- which half counts */

/* Read the header of half. True: it counts, whatever the other half says. */
static bool is_settled(const struct fwu_bank *bank, uint8_t half, struct fwu_journal *journal)
{
    return fwu_read_header(bank, half, journal) &&
           is_written(&bank->half[half], FWU_RECORD_SETTLED, 0, journal->snapshot.generation);
}

/* Of two headers that are not settled, whether that of half 1 was written first. */
static bool is_older(const struct fwu_journal *second, const struct fwu_journal *first)
{
    return first->turn == (second->turn + 1u) % FWU_TURNS;
}

void fwu_journal_read(const struct fwu_bank *bank, struct fwu_journal *journal)
{
    struct fwu_journal second;
    bool settled = is_settled(bank, 0, journal);

    if (!settled) {
        settled = is_settled(bank, 1, &second);
        if (settled || !journal->is_there || (second.is_there && is_older(&second, journal))) {
            fwu_copy(journal, &second, sizeof second);
        }
    }
    if (journal->is_there) {
        fwu_read_records(bank, settled, journal);
    } else {
        fwu_fill(journal, 0, sizeof *journal);
    }
}

/* --- what it says */

enum fwu_phase fwu_journal_phase(const struct fwu_journal *journal)
{
    if (journal->snapshot.phase != FWU_PHASE_VERIFIED) {
        return (enum fwu_phase)journal->snapshot.phase;
    }
    if (journal->failed) {
        return FWU_PHASE_FAILED;
    }
    return journal->switched ? FWU_PHASE_TRIAL : FWU_PHASE_VERIFIED;
}

bool fwu_journal_needs_snapshot(const struct fwu_journal *journal)
{
    uint8_t phase = journal->snapshot.phase;
    bool is_at_rest = phase == FWU_PHASE_CONFIRMED || phase == FWU_PHASE_FAILED;

    return journal->is_there && !(is_at_rest && journal->settled);
}

bool fwu_is_intact(const struct fwu_bank *bank, const struct fwu_snapshot *snapshot)
{
    uint8_t digest[32];

    return snapshot->image_size > 0 && snapshot->image_size <= bank->slot.region->size &&
           fwu_digest(&bank->slot, snapshot->image_size, digest) &&
           fwu_same(digest, snapshot->image_sha256, sizeof digest);
}

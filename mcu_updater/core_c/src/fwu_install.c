#include "fwu_install.h"

#if FWU_STRATEGY == FWU_STRATEGY_COPY

#include <stddef.h>

#include "fwu_bytes.h"

/* What the execution slot's journal says of the image. */
static void tell(const struct fwu_snapshot *of, struct fwu_snapshot *told)
{
    fwu_fill(told, 0, sizeof *told);
    told->generation = of->generation;
    told->component = of->component;
    told->version = of->version;
    told->image_size = of->image_size;
    fwu_copy(told->image_sha256, of->image_sha256, sizeof told->image_sha256);
}

/* Whether the journal of the execution slot tells of the image that is wanted. */
static bool is_of(const struct fwu_journal *held, const struct fwu_snapshot *wanted)
{
    const struct fwu_snapshot *told = &held->snapshot;

    return held->is_there && told->image_size == wanted->image_size &&
           fwu_same_version(&told->version, &wanted->version) &&
           fwu_same(told->image_sha256, wanted->image_sha256, sizeof told->image_sha256);
}

static bool write_journal(struct fwu_installer *installer, enum fwu_phase phase, uint32_t done)
{
    installer->wanted.phase = (uint8_t)phase;
    installer->wanted.sectors_done = done;
    fwu_journal_read(&installer->execution, &installer->journal);
    return fwu_journal_write(&installer->execution, &installer->journal, &installer->wanted, NULL,
                             0);
}

/* Say that sector is done: in a header where the place of its record is worn. */
static bool record(struct fwu_installer *installer, uint32_t sector)
{
    return fwu_journal_record(&installer->execution, &installer->journal, FWU_RECORD_SECTOR,
                              sector) ||
           write_journal(installer, FWU_PHASE_LOADING, sector + 1u);
}

/* Give extent to the writer; extent of size 0: the image has ended. */
static bool put(struct fwu_installer *installer, struct fwu_extent *extent)
{
    bool is_end = extent->size == 0;

    for (;;) {
        uint32_t sector;
        enum fwu_fault fault;
        enum fwu_put said =
            is_end ? fwu_writer_finish(&installer->writer, &sector, &fault)
                   : fwu_writer_put(&installer->writer, extent, &sector, &fault);

        if (said == FWU_PUT_ALL) {
            return true;
        }
        if (said != FWU_PUT_SECTOR || !record(installer, sector)) {
            return false;
        }
    }
}

static bool copy_image(struct fwu_installer *installer)
{
    uint32_t size = installer->wanted.image_size;
    struct fwu_extent extent = {0, NULL, 0};
    uint32_t offset = 0;

    while (offset < size) {
        uint32_t step = size - offset;

        if (step > sizeof installer->piece) {
            step = (uint32_t)sizeof installer->piece;
        }
        if (!fwu_read(&installer->source.slot, offset, installer->piece, step)) {
            return false;
        }
        extent.address = installer->source.link_address + offset;
        extent.data = installer->piece;
        extent.size = step;
        if (!put(installer, &extent)) {
            return false;
        }
        offset += step;
    }
    extent.size = 0;
    return put(installer, &extent);
}

/* Sectors from done on, behind a new LOADING snapshot; and all of it read back. False: given up. */
static bool copy(struct fwu_installer *installer, uint32_t done, bool *is_intact)
{
    if (!write_journal(installer, FWU_PHASE_LOADING, done)) {
        return false;
    }
    fwu_writer_begin(&installer->writer, &installer->execution, done, installer->has_vectors);
    if (!copy_image(installer)) {
        return false;
    }
    *is_intact = fwu_is_intact(&installer->execution, &installer->wanted);
    return true;
}

bool fwu_install(struct fwu_installer *installer, uint8_t bank)
{
    struct fwu_journal *journal = &installer->journal;
    uint32_t done = 0;
    bool is_intact = false;

    fwu_open_bank(&installer->source, bank);
    fwu_open_bank(&installer->execution, FWU_EXECUTION);
    fwu_journal_read(&installer->source, journal);
    if (!journal->is_there) {
        return false;
    }
    tell(&journal->snapshot, &installer->wanted);
    installer->has_vectors = !journal->snapshot.is_signed;
    fwu_journal_read(&installer->execution, journal);
    if (is_of(journal, &installer->wanted)) {
        if (fwu_journal_phase(journal) != FWU_PHASE_CONFIRMED) {
            done = journal->snapshot.sectors_done;
        } else if (fwu_is_intact(&installer->execution, &installer->wanted)) {
            return !fwu_journal_needs_snapshot(journal) ||
                   write_journal(installer, FWU_PHASE_CONFIRMED, 0);
        }
    }
    /* where the digest is wrong, once more from the first sector */
    return copy(installer, done, &is_intact) && (is_intact || copy(installer, 0, &is_intact)) &&
           is_intact && write_journal(installer, FWU_PHASE_CONFIRMED, 0);
}

#endif

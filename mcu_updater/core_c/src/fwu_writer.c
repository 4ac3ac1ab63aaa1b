#include <string.h>

#include "fwu_writer.h"

#define TRIES 2u      /* a sector that does not verify is erased and programmed once more */
#define HEAD_SIZE 8u  /* bytes of the image that tell whether it is made for this slot */
#define READ_BACK 64u /* bytes at a time: a multiple of every program unit */

static const struct fwu_region *slot_of(const struct fwu_writer *writer)
{
    return writer->bank->slot.region;
}

/* Begin with sector; one behind the last when the slot is full. */
static void enter(struct fwu_writer *writer, uint32_t sector)
{
    const struct fwu_region *slot = slot_of(writer);

    writer->sector = sector;
    writer->start = slot->size;
    writer->size = 0;
    writer->held_size = 0;
    if (sector < slot->sectors) {
        fwu_sector(slot, sector, &writer->start, &writer->size);
    }
}

void fwu_writer_begin(struct fwu_writer *writer, const struct fwu_bank *bank, uint32_t done,
                      bool check_vectors)
{
    writer->bank = bank;
    writer->check_vectors = check_vectors;
    writer->done = done;
    fwu_sha256_begin(&writer->digest);
    enter(writer, 0);
}

bool fwu_writer_resume(struct fwu_writer *writer, uint32_t sector, uint32_t held_size)
{
    enter(writer, sector);
    if (sector > slot_of(writer)->sectors || held_size > writer->size) {
        return false;
    }
    writer->held_size = held_size;
    return true;
}

uint32_t fwu_writer_cursor(const struct fwu_writer *writer)
{
    return writer->start + writer->held_size;
}

/* --- a sector in flash */

static bool is_blank(const uint8_t *unit)
{
    uint32_t i;

    for (i = 0; i < FWU_PROGRAM_UNIT; i++) {
        if (unit[i] != FWU_ERASED) {
            return false;
        }
    }
    return true;
}

/* Program stretches without a blank unit: one of nothing but 0xFF is left virgin, for programming it
 * would spend it for nothing. */
static bool program(const struct fwu_writer *writer, uint32_t size)
{
    uint32_t at = 0;

    while (at < size) {
        uint32_t end = at;

        while (end < size && !is_blank(writer->held + end)) {
            end += FWU_PROGRAM_UNIT;
        }
        if (end > at && !fwu_program(&writer->bank->slot, writer->start + at, writer->held + at,
                                     end - at)) {
            return false;
        }
        at = end + FWU_PROGRAM_UNIT; /* the unit at end is blank, or behind the last one */
    }
    return true;
}

/* Every unit is looked at, also behind one that differs; none behind one that cannot be read. */
static bool reads_back(const struct fwu_writer *writer, uint32_t size)
{
    uint8_t read[READ_BACK];
    bool is_same = true;
    uint32_t at, part;

    for (at = 0; at < size; at += part) {
        part = size - at < READ_BACK ? size - at : READ_BACK;
        if (!fwu_read(&writer->bank->slot, writer->start + at, read, part)) {
            return false;
        }
        is_same = is_same && memcmp(read, writer->held + at, part) == 0;
    }
    return is_same;
}

static bool try_sector(const struct fwu_writer *writer, uint32_t size)
{
    return fwu_erase_sector(&writer->bank->slot, writer->sector) && program(writer, size) &&
           reads_back(writer, size);
}

static enum fwu_put write_sector(struct fwu_writer *writer, uint32_t *finished,
                                 enum fwu_fault *fault)
{
    uint32_t size = writer->held_size;
    uint32_t tries;

    if (writer->sector == 0 && writer->check_vectors) {
        *fault = fwu_check_vectors(writer->held, writer->bank->link_address,
                                   slot_of(writer)->size);
        if (*fault != FWU_FAULT_NONE) {
            return FWU_PUT_FAULT;
        }
    }
    fwu_hash_add(&writer->digest, writer->held, size);
    if (writer->sector < writer->done) {
        return FWU_PUT_ALL;
    }
    for (; size % FWU_PROGRAM_UNIT != 0; size++) {
        writer->held[size] = FWU_ERASED;
    }
    for (tries = 0; tries < TRIES; tries++) {
        if (try_sector(writer, size)) {
            *finished = writer->sector;
            return FWU_PUT_SECTOR;
        }
    }
    return FWU_PUT_NOT_HELD;
}

/* Fill the sector in RAM with 0xFF up to offset in it. */
static void fill(struct fwu_writer *writer, uint32_t offset)
{
    memset(writer->held + writer->held_size, FWU_ERASED, offset - writer->held_size);
    writer->held_size = offset;
}

static enum fwu_put complete(struct fwu_writer *writer, uint32_t *finished, enum fwu_fault *fault)
{
    enum fwu_put put;

    fill(writer, writer->size);
    put = write_sector(writer, finished, fault);
    if (put == FWU_PUT_ALL || put == FWU_PUT_SECTOR) {
        enter(writer, writer->sector + 1u);
    }
    return put;
}

/* --- extents */

static enum fwu_fault place(const struct fwu_writer *writer, const struct fwu_extent *extent)
{
    uint32_t base = writer->bank->link_address;
    uint32_t room = slot_of(writer)->size;
    uint32_t offset = extent->address - base;

    if (extent->address < base || offset > room || extent->size > room - offset) {
        return FWU_FAULT_OUTSIDE;
    }
    return offset < fwu_writer_cursor(writer) ? FWU_FAULT_ORDER : FWU_FAULT_NONE;
}

/* What of extent goes into the sector in RAM. The data come first and then the gap before them, for
 * they may lie in that. */
static void take(struct fwu_writer *writer, struct fwu_extent *extent)
{
    uint32_t at = extent->address - writer->bank->link_address - writer->start;
    uint32_t room = writer->size - at;
    uint32_t part = extent->size < room ? extent->size : room;

    memmove(writer->held + at, extent->data, part);
    fill(writer, at);
    writer->held_size += part;
    extent->address += part;
    extent->data += part;
    extent->size -= part;
}

enum fwu_put fwu_writer_put(struct fwu_writer *writer, struct fwu_extent *extent,
                            uint32_t *finished, enum fwu_fault *fault)
{
    enum fwu_put put = FWU_PUT_ALL;
    uint32_t base = writer->bank->link_address;

    *fault = place(writer, extent);
    if (*fault != FWU_FAULT_NONE) {
        return FWU_PUT_FAULT;
    }
    while (put == FWU_PUT_ALL && extent->size > 0) {
        if (extent->address - base - writer->start >= writer->size) {
            put = complete(writer, finished, fault);
        } else {
            take(writer, extent);
        }
    }
    if (put == FWU_PUT_ALL && writer->held_size > 0 && writer->held_size == writer->size) {
        put = complete(writer, finished, fault);
    }
    return put;
}

enum fwu_put fwu_writer_finish(struct fwu_writer *writer, uint32_t *finished,
                               enum fwu_fault *fault)
{
    enum fwu_put put;

    if (fwu_writer_cursor(writer) < HEAD_SIZE) {
        *fault = FWU_FAULT_NO_VECTORS;
        return FWU_PUT_FAULT;
    }
    if (writer->held_size == 0) {
        return FWU_PUT_ALL;
    }
    put = write_sector(writer, finished, fault);
    writer->start += writer->held_size; /* the cursor stays: it is the image's size */
    writer->held_size = 0;
    writer->size = 0;
    return put;
}

#include "fwu_loader.h"

enum stage { STAGE_OPEN, STAGE_CHECK, STAGE_TAKE, STAGE_ENDED };

/* A checkpoint begins with the sector and the sizes of its parts, of 2 bytes each: FORMAT.md. */
enum head { HEAD_SECTOR = 0, HEAD_HELD = 2, HEAD_DECODER = 4, HEAD_DIGESTS = 6, HEAD_IMAGE = 8 };

#define PART_MAX 0xFFFFu /* bytes of a part of a checkpoint: what its size field can say */

static enum fwu_load reject(struct fwu_loader *loader, enum fwu_fault fault)
{
    loader->fault = (uint8_t)fault;
    return FWU_LOAD_REJECTED;
}

static bool is_open(const struct fwu_loader *loader)
{
    return loader->decoder.state.format != FWU_FORMAT_UNKNOWN;
}

void fwu_loader_begin(struct fwu_loader *loader, const struct fwu_bank *bank,
                      const struct fwu_package *package, uint32_t base, uint32_t done)
{
    fwu_copy(&loader->package, package, sizeof *package);
    loader->base = base;
    loader->head_size = 0;
    loader->stage = STAGE_OPEN;
    loader->fault = FWU_FAULT_NONE;
    loader->data.size = 0;
    loader->extent.size = 0;
    fwu_md5_begin(&loader->md5);
    fwu_sha256_begin(&loader->sha256);
    fwu_decoder_begin(&loader->decoder, FWU_FORMAT_UNKNOWN, 0);
    fwu_writer_begin(&loader->writer, bank, done, true);
}

void fwu_loader_feed(struct fwu_loader *loader, const uint8_t *data, uint32_t size)
{
    fwu_hash_add(&loader->md5, data, size);
    fwu_hash_add(&loader->sha256, data, size);
    loader->data.data = data;
    loader->data.size = size;
    loader->stage = is_open(loader) ? STAGE_CHECK : STAGE_OPEN;
}

/* --- the format */

static bool is_empty_lines(const uint8_t *data, uint32_t size)
{
    uint32_t i;

    for (i = 0; i < size; i++) {
        if (data[i] != '\n' && data[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* Put what data begins with behind what came before it, as much as there is room for. Returns how many
 * bytes stand there then. */
static uint32_t gather(struct fwu_loader *loader)
{
    uint32_t room = FWU_SNIFF_MAX - loader->head_size;
    uint32_t size = loader->data.size < room ? loader->data.size : room;

    fwu_copy(loader->writer.held + loader->head_size, loader->data.data, size);
    return loader->head_size + size;
}

/* Open the decoder of a package that begins with first, behind empty bytes of empty lines.
 * FWU_LOAD_MORE: more bytes are needed. */
static enum fwu_load open(struct fwu_loader *loader, const uint8_t *first, uint32_t size,
                          uint32_t empty)
{
    uint32_t come = loader->head_size + loader->data.size;
    uint32_t needed = fwu_sniff_size(first, size, empty);
    enum fwu_format format;
    enum fwu_fault fault;

    if (come < needed && come < loader->package.length) {
        loader->head_size = gather(loader);
        return FWU_LOAD_MORE;
    }
    fault = fwu_sniff(first, size, empty, &format);
    if (fault == FWU_FAULT_NONE && format == FWU_FORMAT_BIN &&
        loader->package.length > loader->writer.bank->slot.region->size) {
        fault = FWU_FAULT_LARGER_THAN_SLOT;
    }
    if (fault != FWU_FAULT_NONE) {
        return reject(loader, fault);
    }
    fwu_decoder_begin(&loader->decoder, format, loader->base);
    loader->stage = STAGE_CHECK;
    return FWU_LOAD_DONE;
}

/* What came before the format was known goes to the decoder. Of a raw image that is an extent; a
 * record was never complete. */
static void take_head(struct fwu_loader *loader)
{
    struct fwu_bytes head;

    head.data = loader->writer.held;
    head.size = loader->head_size;
    (void)fwu_decoder_next(&loader->decoder, &head, &loader->extent);
}

static enum fwu_load find_format(struct fwu_loader *loader)
{
    uint8_t *held = loader->writer.held;
    uint32_t before = loader->head_size;
    enum fwu_load load;

    if (is_empty_lines(held, before)) {
        load = open(loader, loader->data.data, loader->data.size, before);
    } else {
        load = open(loader, held, gather(loader), 0);
    }
    if (load == FWU_LOAD_DONE) {
        take_head(loader);
    }
    return load;
}

/* --- going on */

/* What the writer says, and the rule that was broken, if it says so. */
static enum fwu_load told(struct fwu_loader *loader, enum fwu_put put, enum fwu_fault fault)
{
    if (put == FWU_PUT_FAULT) {
        loader->fault = (uint8_t)fault;
    }
    return (enum fwu_load)put;
}

static enum fwu_load put(struct fwu_loader *loader, uint32_t *sector)
{
    enum fwu_fault fault;
    enum fwu_put put = fwu_writer_put(&loader->writer, &loader->extent, sector, &fault);

    return told(loader, put, fault);
}

static enum fwu_load take(struct fwu_loader *loader, uint32_t *sector)
{
    enum fwu_load load;

    do {
        load = FWU_LOAD_MORE;
        if (loader->extent.size > 0) {
            load = put(loader, sector);
        }
    } while (load == FWU_LOAD_MORE &&
             fwu_decoder_next(&loader->decoder, &loader->data, &loader->extent));
    return load;
}

enum fwu_load fwu_loader_next(struct fwu_loader *loader, uint32_t *sector)
{
    if (loader->stage == STAGE_OPEN) {
        enum fwu_load load = find_format(loader);

        if (load != FWU_LOAD_DONE) {
            return load;
        }
    }
    if (loader->stage == STAGE_CHECK) {
        enum fwu_fault fault = (enum fwu_fault)loader->decoder.fault; /* of the head */

        if (fault == FWU_FAULT_NONE) {
            fault = fwu_decoder_check(&loader->decoder, loader->data);
        }
        if (fault != FWU_FAULT_NONE) {
            return reject(loader, fault);
        }
        loader->stage = STAGE_TAKE;
    }
    return take(loader, sector);
}

/* --- the end */

static enum fwu_fault check_digests(struct fwu_loader *loader)
{
    uint8_t digest[32];

    fwu_hash_end(&loader->md5, digest);
    if (!fwu_same(digest, loader->package.md5, sizeof loader->package.md5)) {
        return FWU_FAULT_MD5;
    }
    fwu_hash_end(&loader->sha256, digest);
    if (!fwu_same(digest, loader->package.sha256, sizeof loader->package.sha256)) {
        return FWU_FAULT_SHA256;
    }
    return FWU_FAULT_NONE;
}

static enum fwu_fault check_end(struct fwu_loader *loader)
{
    enum fwu_fault fault = FWU_FAULT_EMPTY;

    if (is_open(loader)) {
        fault = fwu_decoder_finish(&loader->decoder);
    }
    return fault == FWU_FAULT_NONE ? check_digests(loader) : fault;
}

enum fwu_load fwu_loader_finish(struct fwu_loader *loader, uint32_t *sector)
{
    enum fwu_fault fault;
    enum fwu_put put;

    if (loader->stage != STAGE_ENDED) {
        loader->stage = STAGE_ENDED;
        fault = check_end(loader);
        if (fault != FWU_FAULT_NONE) {
            return reject(loader, fault);
        }
    }
    put = fwu_writer_finish(&loader->writer, sector, &fault);
    return put == FWU_PUT_ALL ? FWU_LOAD_DONE : told(loader, put, fault);
}

uint32_t fwu_loader_image_size(const struct fwu_loader *loader)
{
    return fwu_writer_cursor(&loader->writer);
}

void fwu_loader_image_sha256(struct fwu_loader *loader, uint8_t digest[32])
{
    fwu_hash_end(&loader->writer.digest, digest);
}

/* --- checkpoints */

static uint32_t residue_of(const struct fwu_hash *hash)
{
    return hash->length % FWU_BLOCK_SIZE;
}

/* One part more. */
static void add(struct fwu_checkpoint *checkpoint, const uint8_t *data, uint32_t size)
{
    checkpoint->parts[checkpoint->count].data = data;
    checkpoint->parts[checkpoint->count].size = size;
    checkpoint->count++;
    checkpoint->size += size;
}

static void add_hash(struct fwu_checkpoint *checkpoint, const struct fwu_hash *hash,
                     uint8_t *head)
{
    fwu_hash_save(hash, head);
    add(checkpoint, head, fwu_hash_head_size(hash));
    add(checkpoint, hash->residue, residue_of(hash));
}

/* How much there is behind start bytes: into the head, at offset. */
static void note_size(struct fwu_checkpoint *checkpoint, uint32_t offset, uint32_t start)
{
    fwu_put_u16(checkpoint->head + offset, checkpoint->size - start);
}

enum fwu_load fwu_loader_checkpoint(struct fwu_loader *loader, struct fwu_checkpoint *checkpoint)
{
    const struct fwu_writer *writer = &loader->writer;
    const struct fwu_decoder *decoder = &loader->decoder;
    uint32_t start;

    if (!is_open(loader)) {
        return reject(loader, FWU_FAULT_FIRST_PIECE);
    }
    if (writer->held_size > PART_MAX) {
        return reject(loader, FWU_FAULT_CHECKPOINT);
    }
    checkpoint->count = 0;
    checkpoint->size = 0;
    fwu_put_u16(checkpoint->head + HEAD_SECTOR, writer->sector);
    add(checkpoint, checkpoint->head, FWU_CHECKPOINT_HEAD);
    add(checkpoint, writer->held, writer->held_size);
    note_size(checkpoint, HEAD_HELD, FWU_CHECKPOINT_HEAD);
    start = checkpoint->size;
    add(checkpoint, checkpoint->decoder, fwu_decoder_save(decoder, checkpoint->decoder));
    add(checkpoint, decoder->text, decoder->state.held);
    note_size(checkpoint, HEAD_DECODER, start);
    start = checkpoint->size;
    add_hash(checkpoint, &loader->md5, checkpoint->md5);
    add_hash(checkpoint, &loader->sha256, checkpoint->sha256);
    note_size(checkpoint, HEAD_DIGESTS, start);
    start = checkpoint->size;
    add_hash(checkpoint, &writer->digest, checkpoint->image);
    note_size(checkpoint, HEAD_IMAGE, start);
    return FWU_LOAD_DONE;
}

/* A checkpoint in flash, read from its beginning on. */
struct source {
    const struct fwu_bank *bank;
    const struct fwu_journal *journal;
    uint32_t offset;
    bool is_held; /* false: a unit cannot be read */
};

/* Take size bytes. False where the checkpoint is shorter, or cannot be read. */
static bool take_bytes(struct source *from, uint8_t *data, uint32_t size)
{
    if (size > from->journal->snapshot.checkpoint_size - from->offset) {
        return false;
    }
    if (!fwu_journal_checkpoint(from->bank, from->journal, from->offset, data, size)) {
        from->is_held = false;
        return false;
    }
    from->offset += size;
    return true;
}

static bool take_decoder(struct source *from, struct fwu_decoder *decoder, uint32_t size)
{
    uint8_t head[FWU_DECODER_HEAD_MAX];
    uint32_t got = size < sizeof head ? size : sizeof head;
    uint32_t used;

    if (!take_bytes(from, head, got)) {
        return false;
    }
    used = fwu_decoder_restore(decoder, head, size);
    if (used == 0) {
        return false;
    }
    fwu_copy(decoder->text, head + used, got - used);
    return take_bytes(from, decoder->text + (got - used), size - got);
}

/* hash has begun: as what is known. */
static bool take_hash(struct source *from, struct fwu_hash *hash)
{
    uint8_t head[FWU_SHA256_HEAD];

    return take_bytes(from, head, fwu_hash_head_size(hash)) && fwu_hash_restore(hash, head) &&
           take_bytes(from, hash->residue, residue_of(hash));
}

static bool take_checkpoint(struct source *from, struct fwu_loader *loader)
{
    struct fwu_writer *writer = &loader->writer;
    uint8_t head[FWU_CHECKPOINT_HEAD];
    uint32_t held, end;

    if (!take_bytes(from, head, sizeof head)) {
        return false;
    }
    held = fwu_get_u16(head + HEAD_HELD);
    if (!fwu_writer_resume(writer, fwu_get_u16(head + HEAD_SECTOR), held) ||
        !take_bytes(from, writer->held, held) ||
        !take_decoder(from, &loader->decoder, fwu_get_u16(head + HEAD_DECODER))) {
        return false;
    }
    end = from->offset + fwu_get_u16(head + HEAD_DIGESTS);
    return take_hash(from, &loader->md5) && take_hash(from, &loader->sha256) &&
           from->offset == end && take_hash(from, &writer->digest) &&
           from->offset == end + fwu_get_u16(head + HEAD_IMAGE) &&
           from->offset == from->journal->snapshot.checkpoint_size;
}

enum fwu_load fwu_loader_resume(struct fwu_loader *loader, const struct fwu_journal *journal)
{
    struct source from = {loader->writer.bank, journal, 0, true};

    if (take_checkpoint(&from, loader)) {
        return FWU_LOAD_MORE;
    }
    return from.is_held ? reject(loader, FWU_FAULT_CARRIED_ON) : FWU_LOAD_NOT_HELD;
}

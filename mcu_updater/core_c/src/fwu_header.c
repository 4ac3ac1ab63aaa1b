/* Headers of journals: FORMAT.md, section 3. */
#include <stddef.h>
#include <string.h>

#include "fwu_trailer.h"

/* How a field stands in a header: as so many bytes; or else as one of these. */
#define WORD 0u    /* 4 bytes, little-endian */
#define FLAG 1u    /* one byte: 0, or anything else */
#define TEXT 0x80u /* behind its length: so many bytes at most */

struct field {
    uint16_t at; /* offset in struct fwu_snapshot */
    uint8_t place; /* enum fwu_header_field */
    uint8_t how;
};

#define FIELD(name, place, how) {offsetof(struct fwu_snapshot, name), place, how}

/* Those that stand side by side in both are one. */
static const struct field fields[] = {
    FIELD(phase, FWU_HEADER_PHASE, 2), /* and reason */
    FIELD(generation, FWU_HEADER_GENERATION, WORD),
    FIELD(image_size, FWU_HEADER_IMAGE_SIZE, WORD),
    FIELD(package.length, FWU_HEADER_PACKAGE_LENGTH, WORD),
    FIELD(piece_start, FWU_HEADER_PIECE_START, WORD),
    FIELD(package.md5, FWU_HEADER_PACKAGE_MD5, 16 + 32), /* and package.sha256 */
    FIELD(image_sha256, FWU_HEADER_IMAGE_SHA256, 32),
    FIELD(component, FWU_HEADER_COMPONENT, TEXT | FWU_COMPONENT_SIZE),
    FIELD(version, FWU_HEADER_IMAGE_VERSION, TEXT | FWU_VERSION_SIZE),
    FIELD(has_package, FWU_HEADER_HAS_PACKAGE, FLAG),
    FIELD(checkpoint_size, FWU_HEADER_CHECKPOINT_SIZE, WORD),
    FIELD(checkpoint_crc, FWU_HEADER_CHECKPOINT_CRC, WORD),
    FIELD(is_signed, FWU_HEADER_IS_SIGNED, FLAG),
    FIELD(security_version.version, FWU_HEADER_SECURITY_VERSION, 8),
    FIELD(security_version.counter, FWU_HEADER_SECURITY_VERSION + 8, WORD),
    FIELD(floor.version, FWU_HEADER_FLOOR, 8),
    FIELD(floor.counter, FWU_HEADER_FLOOR + 8, WORD)};

#define FIELDS (sizeof fields / sizeof fields[0])

/* Bytes to copy; a text that claims more than its field has is as long as the field. */
static uint32_t size_of(uint32_t how, const uint8_t *from)
{
    uint32_t most = how & ~TEXT;

    if ((how & TEXT) == 0) {
        return how;
    }
    return 1u + (*from < most ? *from : most);
}

/* --- to bytes */

void fwu_encode_header(const struct fwu_snapshot *snapshot, uint8_t turn,
                       uint8_t raw[FWU_HEADER_SIZE])
{
    const struct field *field;

    fwu_fill(raw, 0, FWU_HEADER_SIZE);
    for (field = fields; field < fields + FIELDS; field++) {
        const uint8_t *from = (const uint8_t *)snapshot + field->at;
        uint32_t word;

        if (field->how == WORD) {
            memcpy(&word, from, sizeof word);
            fwu_put_u32(raw + field->place, word);
        } else {
            fwu_copy(raw + field->place, from, size_of(field->how, from));
        }
    }
    fwu_put_u32(raw + FWU_HEADER_MAGIC, FWU_HEADER_MARK);
    fwu_put_u16(raw + FWU_HEADER_VERSION, fwu_format_version(snapshot));
    raw[FWU_HEADER_TURN_AT] = turn;
    fwu_put_u32(raw + FWU_HEADER_CRC_AT, fwu_crc32(0, raw, FWU_HEADER_CRC_AT));
    fwu_put_u32(raw + FWU_HEADER_CRC_AT + 4u, FWU_END_MARK);
}

/* --- from bytes */

static void take_fields(const uint8_t *raw, struct fwu_snapshot *snapshot)
{
    const struct field *field;

    for (field = fields; field < fields + FIELDS; field++) {
        const uint8_t *from = raw + field->place;
        uint8_t *to = (uint8_t *)snapshot + field->at;
        uint32_t size = size_of(field->how, from);
        uint32_t word;

        if (field->how == WORD) {
            word = fwu_get_u32(from);
            memcpy(to, &word, sizeof word);
            continue;
        }
        fwu_copy(to, from, size);
        if (field->how == FLAG) {
            *to = *from != 0;
        } else if ((field->how & TEXT) != 0) {
            *to = (uint8_t)(size - 1u);
        }
    }
}

void fwu_clear_unused(struct fwu_snapshot *snapshot)
{
    if (snapshot->checkpoint_size == 0) {
        snapshot->checkpoint_crc = 0;
    }
    if (!snapshot->has_package) {
        fwu_fill(&snapshot->package, 0, sizeof snapshot->package);
    }
    if (!snapshot->is_signed) {
        fwu_fill(&snapshot->security_version, 0, sizeof snapshot->security_version);
    }
}

/* Of what has a right CRC: whether a program of this format can have written it. */
static bool is_possible(const struct fwu_snapshot *snapshot, uint32_t version)
{
    return snapshot->phase < FWU_PHASES && snapshot->phase != FWU_PHASE_TRIAL &&
           snapshot->reason <= FWU_REASON_OTHER_BASE && version == fwu_format_version(snapshot) &&
           fwu_is_utf8((const uint8_t *)snapshot->component.text, snapshot->component.size,
                       false) &&
           fwu_is_utf8((const uint8_t *)snapshot->version.text, snapshot->version.size, false);
}

bool fwu_decode_header(const uint8_t raw[FWU_HEADER_SIZE], struct fwu_snapshot *snapshot)
{
    uint32_t version = fwu_get_u16(raw + FWU_HEADER_VERSION);

    fwu_fill(snapshot, 0, sizeof *snapshot);
    if (fwu_get_u32(raw + FWU_HEADER_CRC_AT) != fwu_crc32(0, raw, FWU_HEADER_CRC_AT) ||
        fwu_get_u32(raw + FWU_HEADER_CRC_AT + 4u) != FWU_END_MARK ||
        fwu_get_u32(raw + FWU_HEADER_MAGIC) != FWU_HEADER_MARK) {
        return false;
    }
    take_fields(raw, snapshot);
    if (version != FWU_SIGNED_FORMAT_VERSION) {
        snapshot->is_signed = false;
        fwu_fill(&snapshot->floor, 0, sizeof snapshot->floor);
    }
    fwu_clear_unused(snapshot);
    return is_possible(snapshot, version);
}

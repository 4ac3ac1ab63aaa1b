#include "fwu_trailer.h"

static void encode_security_version(uint8_t *field, const struct fwu_security_version *version)
{
    fwu_copy(field, version->version, 8);
    fwu_put_u32(field + 8, version->counter);
}

static void encode_text(uint8_t *field, uint8_t size, const char *text)
{
    field[0] = size;
    fwu_copy(field + 1, text, size);
}

void fwu_encode_header(const struct fwu_snapshot *snapshot, uint8_t turn,
                       uint8_t raw[FWU_HEADER_SIZE])
{
    fwu_fill(raw, 0, FWU_HEADER_SIZE);
    fwu_put_u32(raw + FWU_HEADER_MAGIC, FWU_HEADER_MARK);
    fwu_put_u16(raw + FWU_HEADER_VERSION, fwu_format_version(snapshot));
    raw[FWU_HEADER_PHASE] = snapshot->phase;
    raw[FWU_HEADER_REASON] = snapshot->reason;
    fwu_put_u32(raw + FWU_HEADER_GENERATION, snapshot->generation);
    fwu_put_u32(raw + FWU_HEADER_IMAGE_SIZE, snapshot->image_size);
    fwu_put_u32(raw + FWU_HEADER_PIECE_START, snapshot->piece_start);
    if (snapshot->has_package) {
        raw[FWU_HEADER_HAS_PACKAGE] = 1;
        fwu_put_u32(raw + FWU_HEADER_PACKAGE_LENGTH, snapshot->package.length);
        fwu_copy(raw + FWU_HEADER_PACKAGE_MD5, snapshot->package.md5, 16);
        fwu_copy(raw + FWU_HEADER_PACKAGE_SHA256, snapshot->package.sha256, 32);
    }
    fwu_copy(raw + FWU_HEADER_IMAGE_SHA256, snapshot->image_sha256, 32);
    encode_text(raw + FWU_HEADER_COMPONENT, snapshot->component.size, snapshot->component.text);
    encode_text(raw + FWU_HEADER_IMAGE_VERSION, snapshot->version.size, snapshot->version.text);
    fwu_put_u32(raw + FWU_HEADER_CHECKPOINT_SIZE, snapshot->checkpoint_size);
    fwu_put_u32(raw + FWU_HEADER_CHECKPOINT_CRC, snapshot->checkpoint_crc);
    raw[FWU_HEADER_TURN_AT] = turn;
    if (snapshot->is_signed) {
        raw[FWU_HEADER_IS_SIGNED] = 1;
        encode_security_version(raw + FWU_HEADER_SECURITY_VERSION, &snapshot->security_version);
    }
    encode_security_version(raw + FWU_HEADER_FLOOR, &snapshot->floor);
    fwu_put_u32(raw + FWU_HEADER_CRC_AT, fwu_crc32(0, raw, FWU_HEADER_CRC_AT));
    fwu_put_u32(raw + FWU_HEADER_CRC_AT + 4u, FWU_END_MARK);
}

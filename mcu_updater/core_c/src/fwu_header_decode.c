#include "fwu_trailer.h"

/* UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const char *text, uint32_t size)
{
    uint32_t at = 0;

    while (at < size) {
        uint8_t first = (uint8_t)text[at++];
        uint8_t least = 0x80; /* of the second byte, as most is */
        uint8_t most = 0xBF;
        uint32_t more;

        if (first < 0x80) {
            continue;
        }
        if (first < 0xC2 || first > 0xF4) {
            return false;
        }
        more = first < 0xE0 ? 1u : first < 0xF0 ? 2u : 3u;
        if (first == 0xE0) {
            least = 0xA0;
        } else if (first == 0xED) {
            most = 0x9F;
        } else if (first == 0xF0) {
            least = 0x90;
        } else if (first == 0xF4) {
            most = 0x8F;
        }
        for (; more > 0; more--) {
            if (at == size || (uint8_t)text[at] < least || (uint8_t)text[at] > most) {
                return false;
            }
            at++;
            least = 0x80;
            most = 0xBF;
        }
    }
    return true;
}

/* A text behind its length; one that claims more than its field has is as long as the field. */
static bool decode_text(const uint8_t *field, uint8_t limit, uint8_t *size, char *text)
{
    *size = field[0] < limit ? field[0] : limit;
    fwu_copy(text, field + 1, *size);
    return is_utf8(text, *size);
}

static void decode_security_version(const uint8_t *field, struct fwu_security_version *version)
{
    fwu_copy(version->version, field, 8);
    version->counter = fwu_get_u32(field + 8);
}

static void decode_package(const uint8_t *raw, struct fwu_package *package)
{
    package->length = fwu_get_u32(raw + FWU_HEADER_PACKAGE_LENGTH);
    fwu_copy(package->md5, raw + FWU_HEADER_PACKAGE_MD5, 16);
    fwu_copy(package->sha256, raw + FWU_HEADER_PACKAGE_SHA256, 32);
}

/* Of what has a right CRC: whether a program of this format can have written it. */
static bool is_possible(const uint8_t *raw)
{
    return fwu_get_u32(raw + FWU_HEADER_MAGIC) == FWU_HEADER_MARK &&
           raw[FWU_HEADER_PHASE] < FWU_PHASES && raw[FWU_HEADER_PHASE] != FWU_PHASE_TRIAL &&
           raw[FWU_HEADER_REASON] <= FWU_REASON_OTHER_BASE;
}

bool fwu_decode_header(const uint8_t raw[FWU_HEADER_SIZE], struct fwu_snapshot *snapshot)
{
    uint32_t version = fwu_get_u16(raw + FWU_HEADER_VERSION);

    fwu_fill(snapshot, 0, sizeof *snapshot);
    if (fwu_get_u32(raw + FWU_HEADER_CRC_AT) != fwu_crc32(0, raw, FWU_HEADER_CRC_AT) ||
        fwu_get_u32(raw + FWU_HEADER_CRC_AT + 4u) != FWU_END_MARK || !is_possible(raw)) {
        return false;
    }
    snapshot->phase = raw[FWU_HEADER_PHASE];
    snapshot->reason = raw[FWU_HEADER_REASON];
    snapshot->generation = fwu_get_u32(raw + FWU_HEADER_GENERATION);
    snapshot->image_size = fwu_get_u32(raw + FWU_HEADER_IMAGE_SIZE);
    snapshot->piece_start = fwu_get_u32(raw + FWU_HEADER_PIECE_START);
    fwu_copy(snapshot->image_sha256, raw + FWU_HEADER_IMAGE_SHA256, 32);
    snapshot->checkpoint_size = fwu_get_u32(raw + FWU_HEADER_CHECKPOINT_SIZE);
    if (snapshot->checkpoint_size != 0) {
        snapshot->checkpoint_crc = fwu_get_u32(raw + FWU_HEADER_CHECKPOINT_CRC);
    }
    snapshot->has_package = raw[FWU_HEADER_HAS_PACKAGE] != 0;
    if (snapshot->has_package) {
        decode_package(raw, &snapshot->package);
    }
    if (version == FWU_SIGNED_FORMAT_VERSION) {
        snapshot->is_signed = raw[FWU_HEADER_IS_SIGNED] != 0;
        if (snapshot->is_signed) {
            decode_security_version(raw + FWU_HEADER_SECURITY_VERSION,
                                    &snapshot->security_version);
        }
        decode_security_version(raw + FWU_HEADER_FLOOR, &snapshot->floor);
    }
    return version == fwu_format_version(snapshot) &&
           decode_text(raw + FWU_HEADER_COMPONENT, FWU_COMPONENT_SIZE,
                       &snapshot->component.size, snapshot->component.text) &&
           decode_text(raw + FWU_HEADER_IMAGE_VERSION, FWU_VERSION_SIZE,
                       &snapshot->version.size, snapshot->version.text);
}

/* Rollback floors: FORMAT.md, section 3.3. */
#include "fwu_trailer.h"

int fwu_compare_versions(const uint8_t one[8], const uint8_t other[8])
{
    static const uint8_t significant[8] = {0, 1, 3, 2, 7, 6, 5, 4}; /* most significant first */
    uint32_t i;

    for (i = 0; i < sizeof significant; i++) {
        uint8_t at = significant[i];

        if (one[at] != other[at]) {
            return one[at] < other[at] ? -1 : 1;
        }
    }
    return 0;
}

void fwu_raise_floor(struct fwu_security_version *floor, const struct fwu_security_version *by)
{
    if (fwu_compare_versions(floor->version, by->version) < 0) {
        fwu_copy(floor->version, by->version, 8);
    }
    if (floor->counter < by->counter) {
        floor->counter = by->counter;
    }
}

bool fwu_is_no_floor(const struct fwu_security_version *floor)
{
    static const uint8_t none[8] = {0};

    return floor->counter == 0 && fwu_same(floor->version, none, sizeof none);
}

uint32_t fwu_format_version(const struct fwu_snapshot *snapshot)
{
    bool is_plain = !snapshot->is_signed && fwu_is_no_floor(&snapshot->floor) &&
                    snapshot->reason < FWU_REASON_UNTRUSTED;

    return is_plain ? FWU_FORMAT_VERSION : FWU_SIGNED_FORMAT_VERSION;
}

#include "fwu_decide.h"

enum fwu_step fwu_decide(const struct fwu_observed *observed)
{
    uint8_t step = fwu_decide_first[observed->active][observed->active_renewed]
                                   [observed->inactive_renewed];

    if (step == FWU_BY_MODULE) {
        step = fwu_decide_table[observed->inactive][observed->module];
    }
    return (enum fwu_step)step;
}

enum fwu_module fwu_fit(const struct fwu_piece *piece, const struct fwu_snapshot *snapshot)
{
    uint32_t end = piece->start + piece->size;

    if (snapshot->has_package && piece->length != snapshot->package.length) {
        return FWU_MODULE_HOLDS_OTHER;
    }
    if (snapshot->phase == FWU_PHASE_VERIFIED) {
        return end == piece->length ? FWU_MODULE_HOLDS_LAST : FWU_MODULE_HOLDS_USED;
    }
    if (piece->start == snapshot->piece_start) {
        return FWU_MODULE_HOLDS_NEXT;
    }
    if (end == snapshot->piece_start) {
        return FWU_MODULE_HOLDS_USED;
    }
    return piece->start == 0 ? FWU_MODULE_HOLDS_FIRST : FWU_MODULE_HOLDS_OTHER;
}

/* Printable ASCII, without what parts the module's list of versions or ends an AT string. */
bool fwu_is_reportable(const char *text, uint32_t size)
{
    uint32_t i;

    for (i = 0; i < size; i++) {
        char c = text[i];

        if (c < ' ' || c > '~' || c == ':' || c == ';' || c == '"') {
            return false;
        }
    }
    return true;
}

/* Size in UTF-8, as a journal would hold it, of what came in Latin-1. */
static uint32_t stored_size(const struct fwu_text *text)
{
    uint32_t size = text->mark.size;
    uint32_t i;

    for (i = 0; i < text->mark.size && i < FWU_VERSION_SIZE; i++) {
        size += ((uint8_t)text->text[i] & 0x80u) != 0;
    }
    return size;
}

enum fwu_refusal fwu_judge(const struct fwu_plan *plan, const struct fwu_component *component,
                           const struct fwu_version *version)
{
    if (!fwu_mark_is(&plan->component, component->text, component->size)) {
        return FWU_OTHER_COMPONENT;
    }
    if (plan->source.size > 0 && !fwu_mark_is(&plan->source, version->text, version->size)) {
        return FWU_OTHER_SOURCE;
    }
    if (fwu_mark_is(&plan->target.mark, version->text, version->size)) {
        return FWU_RUNS_ALREADY;
    }
    if (stored_size(&plan->target) - 1u >= FWU_VERSION_SIZE) {
        return FWU_TARGET_LENGTH;
    }
    return fwu_is_reportable(plan->target.text, plan->target.mark.size) ? FWU_ACCEPTED
                                                                   : FWU_NOT_REPORTABLE;
}

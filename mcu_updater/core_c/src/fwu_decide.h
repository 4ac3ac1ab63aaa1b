/* What to do next: total tables from what is observed to one step. The twin in Python is
 * mcu_updater/core/decide.py, from which the tables are generated (fwu_tables.c). */
#ifndef FWU_DECIDE_H
#define FWU_DECIDE_H

#include "fwu_event.h"
#include "fwu_journal.h"
#include "fwu_tables.h" /* enum fwu_module, enum fwu_step */

struct fwu_observed {
    uint8_t active;   /* enum fwu_phase */
    uint8_t inactive; /* enum fwu_phase */
    bool active_renewed; /* written or found at rest since this start */
    bool inactive_renewed;
    uint8_t module; /* enum fwu_module */
};

enum fwu_step fwu_decide(const struct fwu_observed *observed);

/* Whether a component or version can be stated. */
bool fwu_is_reportable(const char *text, uint32_t size);

/* What a piece is to an upgrade of which the journal says snapshot. */
enum fwu_module fwu_fit(const struct fwu_piece *piece, const struct fwu_snapshot *snapshot);

enum fwu_refusal {
    FWU_ACCEPTED = 0,
    FWU_OTHER_COMPONENT,
    FWU_OTHER_SOURCE,     /* it upgrades from another version than the one that runs */
    FWU_RUNS_ALREADY,
    FWU_TARGET_LENGTH,    /* the target version is not 1 to FWU_VERSION_SIZE bytes long */
    FWU_NOT_REPORTABLE,   /* the target version has a character that nobody could report */
    FWU_NOT_ADMITTED,     /* fwu_hal_admits says no */
    FWU_NO_KEY            /* this device has confirmed a signed image, and checks no signature */
};

/* Why plan must be refused by a device of component that runs version; the first five only. */
enum fwu_refusal fwu_judge(const struct fwu_plan *plan, const struct fwu_component *component,
                           const struct fwu_version *version);

#endif

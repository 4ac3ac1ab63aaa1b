/* What is known of the module since this start: what it said, and what a probe finds out. The twin in
 * Python is mcu_updater/core/module_state.py. */
#ifndef FWU_MODULE_H
#define FWU_MODULE_H

#include "fwu_client.h"
#include "fwu_decide.h"

struct fwu_module_state {
    uint8_t module; /* enum fwu_module */
    bool has_plan;
    bool has_started;
    bool has_piece;
    bool is_of_module; /* the upgrade that the module speaks of: of its own firmware */
    struct fwu_plan plan;
    struct fwu_started started;
    struct fwu_piece piece;
};

void fwu_module_begin(struct fwu_module_state *state);

/* Take the next event that says something; silence is what it means when none comes. journal: of the
 * inactive slot; component: ours, for what the module says of others is none of our business. */
void fwu_module_hear(struct fwu_module_state *state, struct fwu_client *client,
                     const struct fwu_journal *journal, const struct fwu_component *component,
                     uint32_t timeout_ms, enum fwu_module silence);

/* Find the piece that the module holds, by reading single bytes of it. module stays FWU_MODULE_UNKNOWN
 * where no byte can be read. */
enum fwu_status fwu_module_probe(struct fwu_module_state *state, struct fwu_client *client,
                                 const struct fwu_snapshot *snapshot);

#endif

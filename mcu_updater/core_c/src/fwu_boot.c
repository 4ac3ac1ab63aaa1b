#include "fwu_boot.h"

#include "fwu_config.h"
#include "fwu_journal.h"

/* What is known of an image: index of the tables. */
enum known { NOT_LOOKED_AT, MUST_NOT_RUN, MAY_RUN };

struct view {
    struct fwu_bank bank;
    struct fwu_journal journal;
    uint8_t image; /* enum known */
};

/* --- the table */

static bool is_newer(const struct fwu_journal *one, const struct fwu_journal *other)
{
    return one->snapshot.generation > other->snapshot.generation;
}

/* Asked again after each look and each failure, four times at most. */
static enum fwu_action choose(const struct view views[2], enum fwu_cause cause, uint8_t *bank,
                              uint8_t *mode)
{
    uint8_t first = is_newer(&views[1].journal, &views[0].journal) ? 1 : 0;
    uint32_t row;
    uint32_t i;

    for (*bank = 0; *bank < 2u; (*bank)++) {
        const struct view *view = &views[*bank];

        if (fwu_journal_phase(&view->journal) == FWU_PHASE_TRIAL) {
            *mode = FWU_MODE_TRIAL;
            return (enum fwu_action)fwu_trial_table[view->image][cause == FWU_CAUSE_POWER]
                                                   [view->journal.attempts >= FWU_ATTEMPTS];
        }
    }
    for (row = 0; row < FWU_FALLBACKS; row++) {
        *mode = fwu_fallback_mode[row];
        for (i = 0; i < 2u; i++) {
            const struct view *view = &views[first ^ i];
            uint8_t action = fwu_fallback_table[view->image];

            *bank = view->bank.index;
            if (fwu_journal_phase(&view->journal) == fwu_fallback_phase[row] &&
                action != FWU_ACTION_NEXT) {
                return (enum fwu_action)action;
            }
        }
    }
    *mode = FWU_MODE_RECOVERY;
    return FWU_ACTION_NEXT;
}

/* --- what it asks for */

/* An older version may run: it is the one to go back to. A lower security counter may not: that is
 * what its signer raised it for. */
static bool may_run(const struct view *view, uint32_t least_counter)
{
    return fwu_is_intact(&view->bank, &view->journal.snapshot) &&
           view->journal.snapshot.security_version.counter >= least_counter;
}

/* At the first place that takes it; a spoilt one counts as spent. */
static bool count_attempt(const struct view *view)
{
    uint32_t index;

    for (index = view->journal.attempts; index < FWU_ATTEMPTS; index++) {
        if (fwu_journal_record(&view->bank, &view->journal, FWU_RECORD_ATTEMPT, index)) {
            return true;
        }
    }
    return false;
}

static uint8_t mapped_bank(void)
{
#if FWU_STRATEGY == FWU_STRATEGY_COPY
    return 0;
#else
    return fwu_hal_mapped_bank();
#endif
}

/* Let the CPU have bank. False: it cannot be done. */
static bool bring(struct fwu_decision *decision)
{
#if FWU_STRATEGY == FWU_STRATEGY_COPY
    return fwu_install(&decision->installer, decision->bank);
#elif FWU_STRATEGY == FWU_STRATEGY_REMAP
    return fwu_hal_map_bank(decision->bank);
#else
    if (decision->bank == fwu_hal_mapped_bank()) {
        return true;
    }
    decision->needs_reset = fwu_hal_map_bank(decision->bank);
    return decision->needs_reset;
#endif
}

static void open_banks(struct view views[2])
{
    fwu_open_bank(&views[0].bank, 0);
    fwu_open_bank(&views[1].bank, 1);
}

/* True: decision is made. */
static bool start_bank(struct view views[2], bool counts, struct fwu_decision *decision)
{
    struct view *view = &views[decision->bank];

    if (!bring(decision)) {
        view->image = MUST_NOT_RUN;
        return false;
    }
    if (!decision->needs_reset) {
        open_banks(views); /* both, for both are elsewhere after a remap */
        if (counts && !count_attempt(view)) {
            view->journal.failed = true;
            return false;
        }
    }
    decision->is_found = true;
    decision->link_address = view->bank.link_address;
    decision->version = view->journal.snapshot.version;
    return true;
}

/* --- the boot */

/* Reads both journals. Returns the security counter that no image may be below. */
static uint32_t examine(struct view views[2])
{
    uint32_t least = 0;
    uint32_t index;

    open_banks(views);
    for (index = 0; index < 2u; index++) {
        struct view *view = &views[index];

        fwu_journal_read(&view->bank, &view->journal);
        view->image = NOT_LOOKED_AT;
        if (view->journal.snapshot.floor.counter > least) {
            least = view->journal.snapshot.floor.counter;
        }
    }
    return least;
}

/* What may still be chosen after resets of the bootloader's own: banks must not be exchanged for
 * ever. */
static void limit(struct fwu_journal *unmapped, uint8_t swaps)
{
    if (swaps >= FWU_MOST_SWAPS) {
        fwu_fill(unmapped, 0, sizeof *unmapped);
    } else if (swaps > 0 && fwu_journal_phase(unmapped) == FWU_PHASE_TRIAL) {
        unmapped->failed = true;
    }
}

void fwu_boot(enum fwu_cause cause, uint8_t swaps, struct fwu_decision *decision)
{
    struct view views[2];
    uint32_t least = examine(views);

    limit(&views[1u - mapped_bank()].journal, swaps);
    decision->is_found = false;
    decision->needs_reset = false;
    decision->link_address = 0;
    decision->version.size = 0;
    for (;;) {
        enum fwu_action action = choose(views, cause, &decision->bank, &decision->mode);
        struct view *view;

        if (action == FWU_ACTION_NEXT) {
            return;
        }
        view = &views[decision->bank];
        if (action == FWU_ACTION_LOOK) {
            view->image = may_run(view, least) ? MAY_RUN : MUST_NOT_RUN;
        } else if (action == FWU_ACTION_FAIL) {
            /* the decision stands where this cannot be programmed */
            (void)fwu_journal_record(&view->bank, &view->journal, FWU_RECORD_FAILED, 0);
            view->journal.failed = true;
        } else if (start_bank(views, action == FWU_ACTION_START_COUNTED, decision)) {
            return;
        }
    }
}

/* --- from a reset to the bank that runs */

/* A signed image begins with a header, which says itself how long it is: 2 bytes at offset 8. */
static uint32_t vector_table(const struct fwu_decision *decision)
{
    struct fwu_bank bank;
    uint8_t head[10];

    fwu_open_bank(&bank, decision->bank);
#if FWU_STRATEGY == FWU_STRATEGY_COPY
    fwu_open_bank(&bank, FWU_EXECUTION);
#endif
    if (fwu_read(&bank.slot, 0, head, sizeof head) && fwu_get_u32(head) == FWU_SIGNED_MAGIC) {
        return decision->link_address + fwu_get_u16(head + 8);
    }
    return decision->link_address;
}

void fwu_start(struct fwu_decision *decision)
{
    enum fwu_cause cause = fwu_hal_cause();
    uint8_t swaps = 0;

#if FWU_STRATEGY == FWU_STRATEGY_SWAP
    swaps = fwu_hal_swaps();
    fwu_hal_keep(0, cause); /* a reset that is not the bootloader's own begins a start anew */
#endif
    fwu_boot(cause, swaps, decision);
#if FWU_STRATEGY == FWU_STRATEGY_SWAP
    if (decision->needs_reset) {
        fwu_hal_keep((uint8_t)(swaps + 1u), cause);
        fwu_hal_reset();
        return;
    }
#endif
    if (decision->is_found) {
        decision->link_address = vector_table(decision);
    }
}

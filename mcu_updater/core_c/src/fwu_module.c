#include "fwu_module.h"

#include <string.h>

#include "fwu_config.h"

void fwu_module_begin(struct fwu_module_state *state)
{
    memset(state, 0, sizeof *state);
    state->module = FWU_MODULE_UNKNOWN;
}

/* --- what it says */

static bool is_ours(const struct fwu_mark *mark, const struct fwu_component *component)
{
    return fwu_mark_is(mark, component->text, component->size);
}

enum { CODE_STARTED = 10701, CODE_PIECE = 10703 };

static bool is_offered(const struct fwu_module_state *state)
{
    return state->has_plan && (state->module == FWU_MODULE_OFFERED ||
                               state->module == FWU_MODULE_OFFERED_ONCE);
}

/* Ours has been offered just now, or is under way. */
static bool has_plan(const struct fwu_module_state *state, const struct fwu_journal *journal,
                     const struct fwu_component *component)
{
    uint8_t phase = journal->snapshot.phase;

    if (is_offered(state) && is_ours(&state->plan.component, component)) {
        return true;
    }
    return journal->is_there && (phase == FWU_PHASE_PLANNED || phase == FWU_PHASE_LOADING ||
                                 phase == FWU_PHASE_VERIFIED);
}

/* Whether event changes anything here. A plan that is only for others is heard, and refused; beside a
 * plan of ours it is not. 10702 and 10704 to 10706 name no component: behind a 10701 or 10703 without
 * arguments they are of the module's own firmware. */
static bool concerns(struct fwu_module_state *state, const struct fwu_event *event,
                     const struct fwu_journal *journal, const struct fwu_component *component)
{
    bool was_of_module = state->is_of_module;

    switch (event->kind) {
    case FWU_EVENT_OTHER:
        state->is_of_module =
            was_of_module || event->code == CODE_STARTED || event->code == CODE_PIECE;
        return false;
    case FWU_EVENT_DOWNLOADING:
    case FWU_EVENT_UPDATING:
        return !was_of_module;
    case FWU_EVENT_SUCCEEDED:
    case FWU_EVENT_FAILED:
        state->is_of_module = false;
        return !was_of_module;
    case FWU_EVENT_PLAN:
    case FWU_EVENT_STARTED:
    case FWU_EVENT_PIECE:
        state->is_of_module = false;
        return is_ours(&event->is.component, component) ||
               (event->kind == FWU_EVENT_PLAN && !has_plan(state, journal, component));
    default:
        return true;
    }
}

/* Nothing but the line guards a plan. So it is believed when it came twice, and alike. */
static enum fwu_module take_plan(struct fwu_module_state *state, const struct fwu_plan *plan)
{
    bool again = is_offered(state) && memcmp(plan, &state->plan, sizeof *plan) == 0;

    state->has_plan = true;
    fwu_copy(&state->plan, plan, sizeof *plan);
    return again || FWU_PLAN_ONCE ? FWU_MODULE_OFFERED : FWU_MODULE_OFFERED_ONCE;
}

static enum fwu_module hold(struct fwu_module_state *state, const struct fwu_piece *piece,
                            const struct fwu_snapshot *snapshot)
{
    state->has_piece = true;
    fwu_copy(&state->piece, piece, sizeof *piece);
    return snapshot != NULL ? fwu_fit(piece, snapshot) : FWU_MODULE_HOLDS_OTHER;
}

static enum fwu_module understand(struct fwu_module_state *state, const struct fwu_event *event,
                                  const struct fwu_journal *journal)
{
    switch (event->kind) {
    case FWU_EVENT_PLAN:
        return take_plan(state, &event->is.plan);
    case FWU_EVENT_STARTED:
        state->has_started = true;
        fwu_copy(&state->started, &event->is.started, sizeof state->started);
        return FWU_MODULE_STARTED;
    case FWU_EVENT_DOWNLOADING:
        return FWU_MODULE_BUSY;
    case FWU_EVENT_PIECE:
        return hold(state, &event->is.piece, journal->is_there ? &journal->snapshot : NULL);
    case FWU_EVENT_UPDATING:
        return FWU_MODULE_UPDATING;
    case FWU_EVENT_SUCCEEDED:
        return FWU_MODULE_SUCCEEDED;
    case FWU_EVENT_FAILED:
        return FWU_MODULE_FAILED;
    default:
        return FWU_MODULE_UNKNOWN; /* malformed: something has changed, find out what */
    }
}

void fwu_module_hear(struct fwu_module_state *state, struct fwu_client *client,
                     const struct fwu_journal *journal, const struct fwu_component *component,
                     uint32_t timeout_ms, enum fwu_module silence)
{
    struct fwu_event event;

    do {
        fwu_client_next_event(client, timeout_ms, &event);
    } while (event.kind != FWU_EVENT_NONE && !concerns(state, &event, journal, component));
    state->module = (uint8_t)(event.kind == FWU_EVENT_NONE ? silence
                                                           : understand(state, &event, journal));
}

/* --- what it holds */

static enum fwu_status is_held(struct fwu_client *client, uint32_t offset, bool *held)
{
    struct fwu_bytes data;
    enum fwu_status status = fwu_client_read(client, offset, 1, &data);

    *held = data.size > 0;
    return status;
}

/* The end of the piece that holds offset inside, by halving. */
static enum fwu_status find_end(struct fwu_client *client, uint32_t inside, uint32_t length,
                                uint32_t *end)
{
    uint32_t low = inside + 1u, high = length - 1u;
    bool held;
    enum fwu_status status = is_held(client, high, &held);

    if (held) {
        low = high = length;
    }
    while (status == FWU_OK && low < high) {
        uint32_t middle = low + (high - low) / 2u;

        status = is_held(client, middle, &held);
        if (held) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    *end = low;
    return status;
}

/* offset is held: to where, and what that is. */
static enum fwu_status found(struct fwu_module_state *state, struct fwu_client *client,
                             const struct fwu_snapshot *snapshot, uint32_t offset, uint32_t length)
{
    struct fwu_piece piece;
    enum fwu_status status;
    uint32_t end;

    status = find_end(client, offset, length, &end);
    if (status != FWU_OK) {
        return status;
    }
    fwu_mark_set(&piece.component, snapshot->component.text, snapshot->component.size);
    piece.length = length;
    piece.start = offset == snapshot->piece_start ? offset : 0;
    piece.size = end - piece.start;
    state->module = (uint8_t)hold(state, &piece, snapshot);
    if (!fwu_client_pass_over(client)) {
        state->module = FWU_MODULE_UNKNOWN;
    }
    return FWU_OK;
}

/* Tried are the piece that snapshot wants next, the one before it, and the first one. */
enum fwu_status fwu_module_probe(struct fwu_module_state *state, struct fwu_client *client,
                                 const struct fwu_snapshot *snapshot)
{
    uint32_t length = snapshot->has_package ? snapshot->package.length : 1u;
    uint32_t offset = snapshot->piece_start;
    uint32_t tries;
    enum fwu_status status;
    bool held;

    for (tries = 0; tries < 3u; tries++) {
        if (offset < length) {
            status = is_held(client, offset, &held);
            if (status != FWU_OK) {
                return status;
            }
            if (held) {
                return found(state, client, snapshot, offset, length);
            }
        }
        if (offset == 0) {
            break; /* all others are the same */
        }
        offset = tries == 0 ? offset - 1u : 0;
    }
    return FWU_OK;
}

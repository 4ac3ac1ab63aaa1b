#include "fwu_updater.h"

#include <stddef.h>
#include <string.h>

#include "fwu_hal.h"
#include "fwu_trace.h"

/* --- journals: read again only where a record was added, for a header that fades may read otherwise
 * the next time, and what was decided by one reading is done by the same */

static struct fwu_journal *journal_of(struct fwu_side *side)
{
    if (!side->is_known) {
        fwu_journal_read(&side->bank, &side->journal);
        side->is_known = true;
    }
    return &side->journal;
}

/* parts: of a new checkpoint; NULL: the one that is there is kept, if snapshot has one. */
static enum fwu_status write_parts(struct fwu_side *side, const struct fwu_snapshot *snapshot,
                                   const struct fwu_bytes *parts, uint32_t count)
{
    struct fwu_journal *journal = journal_of(side);

    side->is_known = fwu_journal_write(&side->bank, journal, snapshot, parts, count);
    if (!side->is_known) {
        return FWU_NOT_HELD;
    }
    side->is_written = true;
    fwu_trace(FWU_TRACE_JOURNAL, side->bank.index, snapshot->phase);
    return FWU_OK;
}

static enum fwu_status write(struct fwu_side *side, const struct fwu_snapshot *snapshot)
{
    return write_parts(side, snapshot, NULL, 0);
}

static bool record(struct fwu_side *side, enum fwu_record record, uint32_t index)
{
    side->is_known = false;
    return fwu_journal_record(&side->bank, &side->journal, record, index);
}

/* What its journal says now, to be changed and written. */
static void current(struct fwu_side *side, struct fwu_snapshot *snapshot)
{
    fwu_journal_current(journal_of(side), snapshot);
}

static enum fwu_status renew(struct fwu_side *side)
{
    struct fwu_snapshot snapshot;

    current(side, &snapshot);
    return write(side, &snapshot);
}

static bool is_in_progress(enum fwu_phase phase)
{
    return phase == FWU_PHASE_PLANNED || phase == FWU_PHASE_LOADING ||
           phase == FWU_PHASE_VERIFIED;
}

/* The highest security version that was ever confirmed on this device. */
static void find_floor(const struct fwu_updater *updater, struct fwu_security_version *floor)
{
    *floor = updater->active.journal.snapshot.floor; /* 0 where there is no journal */
    fwu_raise_floor(floor, &updater->inactive.journal.snapshot.floor);
}

/* A snapshot that goes on from another one: the same upgrade, and nothing of its package yet. */
static void begin_snapshot(struct fwu_snapshot *snapshot, enum fwu_phase phase,
                           const struct fwu_snapshot *from)
{
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->phase = (uint8_t)phase;
    snapshot->generation = from->generation;
    fwu_copy(&snapshot->floor, &from->floor, /* component and version, too */
             sizeof *from - offsetof(struct fwu_snapshot, floor));
}

/* --- the trial, and what a reset may have left */

static enum fwu_status self_test(struct fwu_updater *updater)
{
    struct fwu_snapshot snapshot = updater->active.journal.snapshot;
    enum fwu_status status;

    if (fwu_hal_self_test()) {
        /* one header says both: there is no moment between confirmation and rollback floor */
        snapshot.phase = FWU_PHASE_CONFIRMED;
        if (snapshot.is_signed) {
            fwu_raise_floor(&snapshot.floor, &snapshot.security_version);
        }
        return write(&updater->active, &snapshot);
    }
    snapshot.phase = FWU_PHASE_FAILED;
    snapshot.reason = FWU_REASON_SELF_TEST;
    status = write(&updater->active, &snapshot);
    updater->outcome = FWU_RESET;
    return status;
}

static enum fwu_status renew_inactive(struct fwu_updater *updater)
{
    struct fwu_journal *journal = &updater->inactive.journal;
    enum fwu_status status;

    if (fwu_journal_phase(journal) == FWU_PHASE_TRIAL) { /* and yet the other bank runs */
        journal->switched = false;
        journal->failed = journal->attempts > 0;
    }
    status = renew(&updater->inactive);
    if (status == FWU_OK && journal->snapshot.phase == FWU_PHASE_LOADING) {
        fwu_trace(FWU_TRACE_RESUMED, journal->snapshot.sectors_done,
                  journal->snapshot.piece_start);
    }
    return status;
}

/* --- versions and plans */

/* State the running version until the module has it as it was said: a bit may be lost on the way there,
 * too. Said again it is no verdict any more, for the first one ended the upgrade. */
static enum fwu_status state_version(struct fwu_updater *updater)
{
    const struct fwu_version *version = &updater->active.journal.snapshot.version;
    enum fwu_status status = FWU_OK;
    bool told = true;
    bool same = false;
    uint32_t said;

    for (said = 0; said <= FWU_CORRECTIONS && told && !same; said++) {
        status = fwu_client_report(&updater->client, &updater->component, version);
        if (status == FWU_OK) {
            status = fwu_client_knows(&updater->client, &updater->component, version, &told, &same);
        }
        if (status != FWU_OK) {
            return status;
        }
    }
    return status;
}

static void hear(struct fwu_updater *updater, uint32_t timeout_ms, enum fwu_module silence)
{
    fwu_module_hear(&updater->heard, &updater->client, journal_of(&updater->inactive),
                    &updater->component, timeout_ms, silence);
}

/* State the running version, and hear whether that was the verdict of an upgrade. */
static enum fwu_status report(struct fwu_updater *updater)
{
    struct fwu_module_state *heard = &updater->heard;
    enum fwu_status status = state_version(updater);
    bool failed = fwu_journal_phase(&updater->inactive.journal) == FWU_PHASE_FAILED;

    if (status != FWU_OK) {
        return status;
    }
    hear(updater, FWU_VERDICT_MS, FWU_MODULE_IDLE);
    if (heard->module == FWU_MODULE_BUSY) {
        heard->module = FWU_MODULE_IDLE; /* a last word of the download that this ended */
    }
    if (updater->has_error && heard->module == FWU_MODULE_IDLE) {
        heard->module = FWU_MODULE_FAILED;
    } else if (!failed && heard->module == FWU_MODULE_FAILED) {
        heard->module = FWU_MODULE_IDLE; /* an upgrade that the journal knows nothing of */
    }
    return FWU_OK;
}

static void end_failed(struct fwu_updater *updater)
{
    struct fwu_snapshot snapshot;

    current(&updater->inactive, &snapshot);
    updater->reason = snapshot.reason;
    switch (snapshot.reason) {
    case FWU_REASON_SELF_TEST:
    case FWU_REASON_ATTEMPTS:
    case FWU_REASON_NOT_INTACT:
        updater->outcome = FWU_REVERTED;
        break;
    default:
        updater->outcome = FWU_IMAGE_REJECTED;
        break;
    }
}

/* How the session ends, the module being as it is. */
static void end(struct fwu_updater *updater, enum fwu_module module)
{
    if (updater->has_error) {
        updater->outcome = FWU_IMAGE_REJECTED;
    } else if (module == FWU_MODULE_SUCCEEDED) {
        updater->outcome = FWU_UPDATED;
    } else if (module == FWU_MODULE_NO_PLAN) {
        updater->outcome = FWU_NO_PLAN;
    } else if (fwu_journal_phase(&updater->inactive.journal) == FWU_PHASE_FAILED) {
        end_failed(updater);
    } else {
        updater->outcome = FWU_LOST;
    }
}

/* Where a command got ERROR, that is what the module is. */
static enum fwu_status not_refused(struct fwu_updater *updater, enum fwu_status status,
                                   enum fwu_module refused)
{
    if (status != FWU_REFUSED) {
        return status;
    }
    updater->heard.module = (uint8_t)refused;
    return FWU_OK;
}

static enum fwu_status ask(struct fwu_updater *updater)
{
    enum fwu_status status;

    updater->asked_again = 0;
    if (updater->asked >= FWU_REQUESTS) {
        end(updater, FWU_MODULE_FAILED);
        return FWU_OK;
    }
    updater->asked++;
    status = fwu_client_connect(&updater->client); /* it may have lost power, or its network */
    if (status == FWU_OK) {
        status = fwu_client_request_plan(&updater->client);
    }
    if (status == FWU_OK) {
        updater->heard.module = FWU_MODULE_ASKED;
    } else if (status == FWU_REFUSED) {
        updater->outcome = FWU_LOST;
        status = FWU_OK;
    }
    return status;
}

/* Have the plan said once more. Two that differ are one that was misheard, or a new one. */
static enum fwu_status ask_again(struct fwu_updater *updater)
{
    enum fwu_status status;

    if (updater->asked_again >= FWU_REQUESTS) {
        updater->outcome = FWU_LOST;
        return FWU_OK;
    }
    updater->asked_again++;
    status = fwu_client_request_plan(&updater->client);
    if (status == FWU_OK) {
        hear(updater, FWU_PLAN_MS < FWU_QUIET_MS ? FWU_PLAN_MS : FWU_QUIET_MS,
             FWU_MODULE_OFFERED_ONCE);
    }
    /* ERROR: it has lost power or network; from the start */
    return not_refused(updater, status, FWU_MODULE_IDLE);
}

static enum fwu_refusal judge(const struct fwu_updater *updater, const struct fwu_plan *plan)
{
    struct fwu_security_version floor;
    enum fwu_refusal refusal =
        fwu_judge(plan, &updater->component, &updater->active.journal.snapshot.version);

    if (refusal == FWU_ACCEPTED && !fwu_hal_admits(plan)) {
        refusal = FWU_NOT_ADMITTED;
    }
    find_floor(updater, &floor);
    if (refusal == FWU_ACCEPTED && !fwu_is_no_floor(&floor)) {
        refusal = FWU_NO_KEY;
    }
    return refusal;
}

/* Journal the plan before it is confirmed: from then on no version may be reported. */
static enum fwu_status note_plan(struct fwu_updater *updater, const struct fwu_plan *plan)
{
    const struct fwu_journal *journal = &updater->inactive.journal;
    struct fwu_snapshot planned;

    if (is_in_progress(fwu_journal_phase(journal)) &&
        fwu_mark_is(&plan->target.mark, journal->snapshot.version.text,
                    journal->snapshot.version.size)) {
        return FWU_OK;
    }
    memset(&planned, 0, sizeof planned);
    planned.phase = FWU_PHASE_PLANNED;
    planned.generation = updater->active.journal.snapshot.generation + 1u;
    fwu_copy(&planned.component, &updater->component, sizeof planned.component);
    planned.version.size = (uint8_t)plan->target.mark.size;
    memcpy(planned.version.text, plan->target.text, plan->target.mark.size);
    find_floor(updater, &planned.floor);
    return write(&updater->inactive, &planned);
}

static enum fwu_status answer(struct fwu_updater *updater)
{
    const struct fwu_plan *plan = &updater->heard.plan;
    enum fwu_refusal refusal = judge(updater, plan);
    enum fwu_status status;

    updater->asked_again = 0;
    if (refusal != FWU_ACCEPTED) {
        updater->refusal = (uint8_t)refusal;
        updater->outcome = FWU_PLAN_REFUSED;
        status = fwu_client_refuse(&updater->client);
        return status == FWU_REFUSED ? FWU_OK : status; /* the plan is gone already */
    }
    status = note_plan(updater, plan);
    if (status != FWU_OK) {
        return status;
    }
    updater->heard.module = FWU_MODULE_ACCEPTED;
    /* ERROR: it may have taken it, and both answers were lost: no version may be stated now */
    return not_refused(updater, fwu_client_confirm(&updater->client), FWU_MODULE_QUIET);
}

static enum fwu_status await(struct fwu_updater *updater)
{
    bool asked = updater->heard.module == FWU_MODULE_ASKED;

    hear(updater, asked ? FWU_PLAN_MS : FWU_QUIET_MS,
         asked ? FWU_MODULE_NO_PLAN : FWU_MODULE_QUIET);
    return FWU_OK;
}

static enum fwu_status probe(struct fwu_updater *updater)
{
    enum fwu_status status = fwu_module_probe(&updater->heard, &updater->client,
                                              &journal_of(&updater->inactive)->snapshot);

    if (status == FWU_OK && updater->heard.module == FWU_MODULE_UNKNOWN) {
        hear(updater, FWU_QUIET_MS, FWU_MODULE_QUIET);
    }
    return status;
}

/* A module that was asked for a plan and says nothing may still wait for the URL of one. There it
 * compares a version with the target of the upgrade before, which may be what runs: so the version is
 * stated only where the module does not know it. */
static enum fwu_status finish(struct fwu_updater *updater)
{
    enum fwu_module module = (enum fwu_module)updater->heard.module;
    enum fwu_status status = FWU_OK;
    bool told;
    bool same = true;

    if (module == FWU_MODULE_NO_PLAN &&
        is_in_progress(fwu_journal_phase(&updater->inactive.journal))) {
        status = fwu_client_knows(&updater->client, &updater->component,
                                  &updater->active.journal.snapshot.version, &told, &same);
    }
    if (status == FWU_OK && !same) {
        status = report(updater);
    }
    if (status == FWU_OK) {
        end(updater, module);
    }
    return status;
}

/* --- the package: from what 10701 says of it to a verified image */

static enum fwu_status reject(struct fwu_updater *updater, enum fwu_reason reason)
{
    struct fwu_snapshot failed;

    updater->loading = false;
    current(&updater->inactive, &failed);
    failed.phase = FWU_PHASE_FAILED;
    failed.reason = (uint8_t)reason;
    failed.checkpoint_size = 0;
    failed.sectors_done = 0;
    failed.piece_start = 0;
    if (write(&updater->inactive, &failed) != FWU_OK) {
        return FWU_NOT_HELD;
    }
    updater->has_error = true;
    updater->reason = (uint8_t)reason;
    return FWU_OK;
}

static enum fwu_status reject_image(struct fwu_updater *updater, enum fwu_fault fault)
{
    updater->fault = (uint8_t)fault;
    switch (fault) {
    case FWU_FAULT_MD5:
    case FWU_FAULT_SHA256:
        return reject(updater, FWU_REASON_PACKAGE_DIGEST);
    case FWU_FAULT_UNTRUSTED:
        return reject(updater, FWU_REASON_UNTRUSTED);
    default:
        return reject(updater, FWU_REASON_IMAGE);
    }
}

/* The loader does not go on. */
static enum fwu_status reject_load(struct fwu_updater *updater, enum fwu_load load)
{
    if (load == FWU_LOAD_NOT_HELD) {
        return reject(updater, FWU_REASON_FLASH);
    }
    return reject_image(updater, (enum fwu_fault)updater->loader.fault);
}

/* Journal the package's identity. Sectors of the same package stay done. */
static enum fwu_status note_package(struct fwu_updater *updater)
{
    const struct fwu_started *started = &updater->heard.started;
    const struct fwu_snapshot *snapshot = &journal_of(&updater->inactive)->snapshot;
    struct fwu_snapshot loading;
    bool same = snapshot->has_package &&
                memcmp(&snapshot->package, &started->package, sizeof started->package) == 0;

    updater->heard.module = FWU_MODULE_BUSY; /* 10701 is followed by the download */
    if (!started->has_sha256) {
        updater->heard.module = FWU_MODULE_HOLDS_OTHER;
        return FWU_OK;
    }
    if (same && fwu_journal_phase(&updater->inactive.journal) == FWU_PHASE_VERIFIED) {
        return FWU_OK;
    }
    begin_snapshot(&loading, FWU_PHASE_LOADING, snapshot);
    loading.has_package = true;
    fwu_copy(&loading.package, &started->package, sizeof loading.package);
    loading.sectors_done = same ? snapshot->sectors_done : 0;
    return write(&updater->inactive, &loading);
}

static enum fwu_status start_over(struct fwu_updater *updater)
{
    struct fwu_snapshot snapshot;
    enum fwu_status status;

    current(&updater->inactive, &snapshot);
    snapshot.piece_start = 0;
    snapshot.checkpoint_size = 0;
    status = write(&updater->inactive, &snapshot);
    if (status == FWU_OK) {
        updater->heard.module = FWU_MODULE_HOLDS_NEXT;
    }
    return status;
}

/* Keep what the next piece needs, before this one is given away. */
static enum fwu_status keep_checkpoint(struct fwu_updater *updater)
{
    struct fwu_checkpoint checkpoint;
    struct fwu_snapshot snapshot;

    if (fwu_loader_checkpoint(&updater->loader, &checkpoint) != FWU_LOAD_DONE) {
        return reject_load(updater, FWU_LOAD_REJECTED);
    }
    if (checkpoint.size > fwu_journal_checkpoint_capacity(&updater->inactive.bank)) {
        return reject_image(updater, FWU_FAULT_CHECKPOINT);
    }
    updater->loading = false;
    current(&updater->inactive, &snapshot);
    snapshot.piece_start = updater->load_end;
    snapshot.checkpoint_size = checkpoint.size;
    if (write_parts(&updater->inactive, &snapshot, checkpoint.parts, checkpoint.count) !=
        FWU_OK) {
        return reject(updater, FWU_REASON_FLASH);
    }
    updater->heard.module = FWU_MODULE_HOLDS_USED;
    return FWU_OK;
}

/* Compare the whole image in flash with what the package said; journal that it is so. */
static enum fwu_status verify(struct fwu_updater *updater)
{
    struct fwu_snapshot verified;
    uint8_t found[32];
    const struct fwu_snapshot *loading = &journal_of(&updater->inactive)->snapshot;

    updater->loading = false;
    begin_snapshot(&verified, FWU_PHASE_VERIFIED, loading);
    verified.has_package = true;
    fwu_copy(&verified.package, &loading->package, sizeof verified.package);
    verified.image_size = fwu_loader_image_size(&updater->loader);
    fwu_loader_image_sha256(&updater->loader, verified.image_sha256);
    if (!fwu_digest(&updater->inactive.bank.slot, verified.image_size, found) ||
        memcmp(found, verified.image_sha256, sizeof found) != 0) {
        return reject(updater, FWU_REASON_FLASH);
    }
    if (write(&updater->inactive, &verified) != FWU_OK) {
        return reject(updater, FWU_REASON_FLASH);
    }
    updater->heard.module = FWU_MODULE_HOLDS_LAST;
    return FWU_OK;
}

/* A sector is finished: journal it, and not before. Where its place is worn, a header says it. */
static bool note_sector(struct fwu_updater *updater, uint32_t sector)
{
    struct fwu_snapshot done;

    if (!record(&updater->inactive, FWU_RECORD_SECTOR, sector)) {
        current(&updater->inactive, &done);
        done.sectors_done = sector + 1u;
        if (write(&updater->inactive, &done) != FWU_OK) {
            return false;
        }
    }
    fwu_trace(FWU_TRACE_SECTOR, sector, fwu_writer_cursor(&updater->loader.writer));
    return true;
}

/* Let the loader go on: with what it was fed, or to the end of the package. */
static enum fwu_status run_loader(struct fwu_updater *updater, bool to_end)
{
    enum fwu_load load;
    uint32_t sector = 0;

    for (;;) {
        load = to_end ? fwu_loader_finish(&updater->loader, &sector)
                      : fwu_loader_next(&updater->loader, &sector);
        switch (load) {
        case FWU_LOAD_SECTOR:
            if (!note_sector(updater, sector)) {
                return reject(updater, FWU_REASON_FLASH);
            }
            break;
        case FWU_LOAD_REJECTED:
        case FWU_LOAD_NOT_HELD:
            return reject_load(updater, load);
        default:
            return FWU_OK;
        }
    }
}

/* Read the next bytes of the piece and write what they complete; at its end checkpoint, or verify. */
static enum fwu_status load_more(struct fwu_updater *updater)
{
    struct fwu_bytes data;
    uint32_t left = updater->load_end - updater->load_offset;
    enum fwu_status status = fwu_client_read(&updater->client, updater->load_offset,
                                             left < FWU_READ_SIZE ? left : FWU_READ_SIZE, &data);

    if (status != FWU_OK || data.size == 0) {
        updater->loading = false;
        updater->heard.module = FWU_MODULE_BUSY; /* the piece is gone; its next event says why */
        return status;
    }
    updater->load_offset += data.size;
    fwu_loader_feed(&updater->loader, data.data, data.size);
    status = run_loader(updater, false);
    if (status != FWU_OK || !updater->loading || updater->load_offset < updater->load_end) {
        return status;
    }
    if (updater->load_end != updater->loader.package.length) {
        return keep_checkpoint(updater);
    }
    status = run_loader(updater, true);
    return status == FWU_OK && updater->loading ? verify(updater) : status;
}

static enum fwu_status begin_load(struct fwu_updater *updater)
{
    const struct fwu_piece *piece = &updater->heard.piece;
    const struct fwu_journal *journal = journal_of(&updater->inactive);
    const struct fwu_snapshot *snapshot = &journal->snapshot;
    enum fwu_load load = FWU_LOAD_MORE;

    if (!fwu_is_no_floor(&snapshot->floor)) {
        return reject_image(updater, FWU_FAULT_UNTRUSTED);
    }
    fwu_loader_begin(&updater->loader, &updater->inactive.bank, &snapshot->package,
                     updater->inactive.bank.link_address, snapshot->sectors_done);
    if (snapshot->checkpoint_size > 0) {
        load = fwu_loader_resume(&updater->loader, journal);
    }
    if (load != FWU_LOAD_MORE) {
        return reject_load(updater, load);
    }
    updater->loading = true;
    updater->load_offset = piece->start;
    updater->load_end = piece->start + piece->size;
    return load_more(updater);
}

static enum fwu_status next_piece(struct fwu_updater *updater)
{
    enum fwu_status status = fwu_client_next_piece(&updater->client);

    if (status == FWU_OK) {
        updater->heard.module = FWU_MODULE_BUSY;
    }
    return not_refused(updater, status, FWU_MODULE_HOLDS_OTHER);
}

/* --- the switch */

static enum fwu_status announce(struct fwu_updater *updater)
{
    enum fwu_status status = fwu_client_announce(&updater->client);

    if (status == FWU_OK) {
        hear(updater, FWU_VERDICT_MS, FWU_MODULE_UPDATING);
    }
    /* ERROR: not ready for the update; its next event says why */
    return not_refused(updater, status, FWU_MODULE_BUSY);
}

/* The commit point. */
static enum fwu_status switch_over(struct fwu_updater *updater)
{
    if (!record(&updater->inactive, FWU_RECORD_SWITCHED, 0)) {
        return FWU_NOT_HELD;
    }
    fwu_trace(FWU_TRACE_JOURNAL, updater->inactive.bank.index, FWU_PHASE_TRIAL);
    updater->outcome = FWU_RESET;
    return FWU_OK;
}

/* --- observe, decide, act */

static bool is_renewed(const struct fwu_side *side)
{
    return side->is_written || !fwu_journal_needs_snapshot(&side->journal);
}

static enum fwu_step decide(struct fwu_updater *updater)
{
    struct fwu_observed observed;

    observed.active = (uint8_t)fwu_journal_phase(journal_of(&updater->active));
    observed.inactive = (uint8_t)fwu_journal_phase(journal_of(&updater->inactive));
    observed.active_renewed = is_renewed(&updater->active);
    observed.inactive_renewed = is_renewed(&updater->inactive);
    observed.module = updater->heard.module;
    return fwu_decide(&observed);
}

/* Steps that must not wait for a module that may not be there. */
static bool is_flash_only(enum fwu_step step)
{
    return step == FWU_STEP_SELF_TEST || step == FWU_STEP_RENEW_ACTIVE ||
           step == FWU_STEP_RENEW_INACTIVE || step == FWU_STEP_LEAVE;
}

static enum fwu_status act(struct fwu_updater *updater, enum fwu_step step)
{
    switch (step) {
    case FWU_STEP_SELF_TEST:
        return self_test(updater);
    case FWU_STEP_RENEW_ACTIVE:
        return renew(&updater->active);
    case FWU_STEP_RENEW_INACTIVE:
        return renew_inactive(updater);
    case FWU_STEP_LEAVE:
        updater->outcome = FWU_RESET;
        return FWU_OK;
    case FWU_STEP_REPORT:
    case FWU_STEP_END_UPGRADE:
        return report(updater);
    case FWU_STEP_ASK:
        return ask(updater);
    case FWU_STEP_ASK_AGAIN:
        return ask_again(updater);
    case FWU_STEP_AWAIT:
        return await(updater);
    case FWU_STEP_ANSWER:
        return answer(updater);
    case FWU_STEP_PROBE:
        return probe(updater);
    case FWU_STEP_NOTE_PACKAGE:
        return note_package(updater);
    case FWU_STEP_START_OVER:
        return start_over(updater);
    case FWU_STEP_LOAD:
        return begin_load(updater);
    case FWU_STEP_NEXT_PIECE:
        return next_piece(updater);
    case FWU_STEP_ANNOUNCE:
        return announce(updater);
    case FWU_STEP_SWITCH:
        return switch_over(updater);
    case FWU_STEP_FINISH:
        break;
    }
    return finish(updater);
}

static enum fwu_status one_step(struct fwu_updater *updater)
{
    enum fwu_status status = FWU_OK;
    enum fwu_step step;

    if (updater->loading) {
        return load_more(updater);
    }
    step = decide(updater);
    fwu_trace(FWU_TRACE_STEP, step, updater->heard.module);
    if (!is_flash_only(step) && !updater->connected) {
        status = fwu_client_connect(&updater->client);
        updater->connected = status == FWU_OK;
    }
    return status == FWU_OK ? act(updater, step) : status;
}

void fwu_updater_begin(struct fwu_updater *updater, uint8_t active)
{
    memset(updater, 0, sizeof *updater);
    updater->component.size = (uint8_t)(sizeof FWU_COMPONENT - 1u);
    memcpy(updater->component.text, FWU_COMPONENT, sizeof FWU_COMPONENT - 1u);
    fwu_open_bank(&updater->active.bank, active);
    fwu_open_bank(&updater->inactive.bank, active == FWU_BANK_A ? FWU_BANK_B : FWU_BANK_A);
    fwu_client_begin(&updater->client);
    fwu_module_begin(&updater->heard);
}

enum fwu_outcome fwu_updater_step(struct fwu_updater *updater)
{
    enum fwu_status status;

    if (updater->outcome != FWU_RUNNING) {
        return (enum fwu_outcome)updater->outcome;
    }
    status = one_step(updater);
    if (status == FWU_NOT_HELD) {
        updater->outcome = FWU_TRAILER_WORN;
    } else if (status != FWU_OK) {
        updater->outcome = FWU_LINK_LOST;
    }
    return (enum fwu_outcome)updater->outcome;
}

enum fwu_outcome fwu_updater_run(struct fwu_updater *updater, uint8_t active)
{
    enum fwu_outcome outcome;

    fwu_updater_begin(updater, active);
    do {
        outcome = fwu_updater_step(updater);
    } while (outcome == FWU_RUNNING);
    if (outcome == FWU_RESET) {
        fwu_hal_reset();
    }
    return outcome;
}

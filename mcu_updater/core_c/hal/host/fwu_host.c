#include "fwu_host.h"

#include <setjmp.h>
#include <stddef.h>

static struct fwu_hooks hooks;
static jmp_buf *innermost; /* where the run that is under way was begun */

void fwu_host_set_up(const struct fwu_hooks *given)
{
    hooks = *given;
}

/* The answer of a hook; does not return where the MCU is gone. */
static int64_t answer(int64_t said)
{
    if (said <= FWU_HOST_LEAVE && innermost != NULL) {
        longjmp(*innermost, 1);
    }
    return said;
}

bool fwu_hal_read(uint32_t address, uint8_t *data, uint32_t size)
{
    return answer(hooks.read(address, data, size)) >= 0;
}

bool fwu_hal_program(uint32_t address, const uint8_t *data, uint32_t size)
{
    return answer(hooks.program(address, data, size)) >= 0;
}

bool fwu_hal_erase(uint32_t address)
{
    return answer(hooks.erase(address)) >= 0;
}

#ifdef FWU_HAL_COMPARES
uint32_t fwu_hal_match(uint32_t address, const uint8_t *expected, uint32_t size)
{
    return (uint32_t)answer(hooks.match(address, expected, size));
}

bool fwu_hal_sha256(uint32_t address, uint32_t size, uint8_t digest[32])
{
    return answer(hooks.sha256(address, size, digest)) >= 0;
}
#endif

#if FWU_STRATEGY != FWU_STRATEGY_COPY
uint8_t fwu_hal_mapped_bank(void)
{
    return (uint8_t)answer(hooks.mapped_bank());
}

bool fwu_hal_map_bank(uint8_t bank)
{
    return answer(hooks.map_bank(bank)) >= 0;
}
#endif

#if FWU_STRATEGY == FWU_STRATEGY_COPY
uint8_t fwu_hal_running_bank(void)
{
    return (uint8_t)answer(hooks.mapped_bank());
}
#endif

void fwu_hal_run(uint8_t bank, uint32_t address)
{
    (void)bank;
    (void)address;
    (void)answer(FWU_HOST_LEAVE);
}

enum fwu_cause fwu_hal_cause(void)
{
    return (enum fwu_cause)answer(hooks.cause());
}

#if FWU_STRATEGY == FWU_STRATEGY_SWAP
uint8_t fwu_hal_swaps(void)
{
    return (uint8_t)answer(hooks.swaps());
}

void fwu_hal_keep(uint8_t swaps, enum fwu_cause cause)
{
    (void)answer(hooks.keep(swaps, (uint32_t)cause));
}
#endif

void fwu_hal_reset(void)
{
    (void)answer(hooks.reset());
}

uint32_t fwu_hal_now_ms(void)
{
    return (uint32_t)answer(hooks.now_ms());
}

uint32_t fwu_hal_get(uint8_t *data, uint32_t size, uint32_t timeout_ms)
{
    int64_t got = answer(hooks.get(data, size, timeout_ms));

    return got > 0 ? (uint32_t)got : 0;
}

bool fwu_hal_put(const uint8_t *data, uint32_t size)
{
    return answer(hooks.put(data, size)) >= 0;
}

bool fwu_hal_self_test(void)
{
    return answer(hooks.self_test()) > 0;
}

bool fwu_hal_admits(const struct fwu_plan *plan)
{
    return answer(hooks.admits(plan)) > 0;
}

#ifdef FWU_TRACE
void fwu_hal_trace(enum fwu_trace what, uint32_t first, uint32_t second)
{
    (void)answer(hooks.trace((uint32_t)what, first, second));
}
#endif

/* --- runs */

enum run { RUN_STEP, RUN_BEGIN, RUN_BOOT };

struct run_arguments {
    enum run run;
    struct fwu_updater *updater;
    struct fwu_decision *decision;
    uint32_t first, second;
};

static int32_t run(const struct run_arguments *arguments)
{
    switch (arguments->run) {
    case RUN_STEP:
        return (int32_t)fwu_updater_step(arguments->updater);
    case RUN_BEGIN:
        fwu_updater_begin(arguments->updater, (uint8_t)arguments->first);
        return 0;
    default:
        fwu_boot((enum fwu_cause)arguments->first, (uint8_t)arguments->second,
                 arguments->decision);
        return 0;
    }
}

static int32_t run_until_left(const struct run_arguments *arguments)
{
    jmp_buf here;
    jmp_buf *volatile outer = innermost;
    volatile int32_t returned = FWU_HOST_LEFT;

    if (setjmp(here) == 0) {
        innermost = &here;
        returned = run(arguments);
    }
    innermost = outer;
    return returned;
}

int32_t fwu_host_step(struct fwu_updater *updater)
{
    struct run_arguments arguments = {RUN_STEP, updater, NULL, 0, 0};

    return run_until_left(&arguments);
}

int32_t fwu_host_begin(struct fwu_updater *updater, uint32_t active)
{
    struct run_arguments arguments = {RUN_BEGIN, updater, NULL, active, 0};

    return run_until_left(&arguments);
}

int32_t fwu_host_boot(uint32_t cause, uint32_t swaps, struct fwu_decision *decision)
{
    struct run_arguments arguments = {RUN_BOOT, NULL, decision, cause, swaps};

    return run_until_left(&arguments);
}

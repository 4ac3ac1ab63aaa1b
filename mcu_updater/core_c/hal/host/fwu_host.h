/* The HAL of this machine: every function asks a hook. For tests and searches. */
#ifndef FWU_HOST_H
#define FWU_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "fwu_boot.h"
#include "fwu_trace.h"
#include "fwu_updater.h"

/* What a hook answers: 0 or more is the answer of the HAL function, FWU_HOST_FAILED false. Below, the
 * MCU is gone: whatever called the HAL never goes on, and fwu_host_run returns FWU_HOST_LEFT. */
#define FWU_HOST_FAILED (-1)
#define FWU_HOST_LEAVE (-2)

struct fwu_hooks {
    int32_t (*read)(uint32_t address, uint8_t *data, uint32_t size);
    int32_t (*program)(uint32_t address, const uint8_t *data, uint32_t size);
    int32_t (*erase)(uint32_t address);
    int32_t (*match)(uint32_t address, const uint8_t *expected, uint32_t size);
    int32_t (*sha256)(uint32_t address, uint32_t size, uint8_t *digest);
    int32_t (*mapped_bank)(void);
    int32_t (*map_bank)(uint32_t bank);
    int32_t (*cause)(void);
    int32_t (*swaps)(void);
    int32_t (*keep)(uint32_t swaps, uint32_t cause);
    int32_t (*reset)(void);
    int64_t (*now_ms)(void);
    int32_t (*get)(uint8_t *data, uint32_t size, uint32_t timeout_ms);
    int32_t (*put)(const uint8_t *data, uint32_t size);
    int32_t (*self_test)(void);
    int32_t (*admits)(const struct fwu_plan *plan);
    int32_t (*trace)(uint32_t what, uint32_t first, uint32_t second);
};

/* The hooks of this process. */
void fwu_host_set_up(const struct fwu_hooks *hooks);

#define FWU_HOST_LEFT (-1)

/* Run one of these until it returns or a hook leaves. They nest: a hook may run another one. */
int32_t fwu_host_step(struct fwu_updater *updater); /* enum fwu_outcome, or FWU_HOST_LEFT */
int32_t fwu_host_begin(struct fwu_updater *updater, uint32_t active);
int32_t fwu_host_boot(uint32_t cause, uint32_t swaps, struct fwu_decision *decision);

#endif

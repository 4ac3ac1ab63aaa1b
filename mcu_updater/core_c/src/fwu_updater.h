/* Observe, decide, act; until there is nothing to do. The twin in Python is mcu_updater/core/updater.py
 * and download.py. */
#ifndef FWU_UPDATER_H
#define FWU_UPDATER_H

#include "fwu_client.h"
#include "fwu_config.h"
#include "fwu_loader.h"
#include "fwu_module.h"

enum fwu_outcome {
    FWU_RUNNING = 0,  /* call fwu_updater_step again */
    FWU_RESET,        /* reset the MCU: the bootloader has something to decide */
    FWU_UPDATED,      /* the module has reported success */
    FWU_NO_PLAN,
    FWU_PLAN_REFUSED, /* updater->refusal says why */
    FWU_REVERTED,     /* the new image failed its trial; updater->reason says how */
    FWU_IMAGE_REJECTED, /* updater->reason, and updater->fault where it was found in this start */
    FWU_LOST,         /* given up by the module */
    FWU_LINK_LOST,    /* the module does not answer, or does not get ready: try again later */
    FWU_TRAILER_WORN  /* a trailer does not take the journal: the hardware */
};

/* A slot, and what its journal says. */
struct fwu_side {
    bool is_known;   /* the journal was read since it was last written to */
    bool is_written; /* a snapshot was written in this start */
    struct fwu_bank bank;
    struct fwu_journal journal;
};

/* All that the application side holds in RAM. One, anywhere; nothing of it need survive a reset. What
 * is small stands first: it takes less code to get at. */
struct fwu_updater {
    bool connected;
    bool has_error; /* the last package was rejected in this start */
    bool loading;   /* a piece is being read: loader, load_offset and load_end count */
    uint8_t asked;
    uint8_t asked_again;
    uint8_t outcome; /* enum fwu_outcome */
    uint8_t refusal; /* enum fwu_refusal */
    uint8_t reason;  /* enum fwu_reason */
    uint8_t fault;   /* enum fwu_fault */
    uint32_t load_offset;
    uint32_t load_end;
    struct fwu_module_state heard;
    struct fwu_component component; /* ours: FWU_COMPONENT */
    struct fwu_side active;
    struct fwu_side inactive;
    struct fwu_client client;
    struct fwu_loader loader;
};

/* Begin a session: once after each start of the MCU, when active is the bank that runs. */
void fwu_updater_begin(struct fwu_updater *updater, uint8_t active);

/* One step; within a package, one read. Returns FWU_RUNNING, or how the session has ended. Whatever
 * happens, the active slot is untouched. Waits in fwu_hal_get only. */
enum fwu_outcome fwu_updater_step(struct fwu_updater *updater);

/* Steps until the session has ended; resets the MCU where that is how it ends, and does not return
 * then. */
enum fwu_outcome fwu_updater_run(struct fwu_updater *updater, uint8_t active);

#endif

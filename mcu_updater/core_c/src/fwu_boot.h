/* Which bank to run, and why: FORMAT.md, section 7. The twin in Python is mcu_updater/core/boot.py and
 * start() of mcu.py; its tables are generated from there (fwu_tables.c). */
#ifndef FWU_BOOT_H
#define FWU_BOOT_H

#include "fwu_bytes.h"
#include "fwu_flash.h"
#include "fwu_hal.h"
#if FWU_STRATEGY == FWU_STRATEGY_COPY
#include "fwu_install.h"
#endif
#include "fwu_tables.h" /* enum fwu_mode */

/* With FWU_STRATEGY_COPY it is large, for it has the RAM that an installation takes: keep it in static
 * memory. */
struct fwu_decision {
    bool is_found;    /* false: no bank holds a complete, verified image */
    bool needs_reset; /* bank is not mapped yet: reset and boot again */
    uint8_t bank;
    uint8_t mode; /* enum fwu_mode */
    uint32_t link_address; /* of the image, or of the header of a signed one */
    struct fwu_version version; /* of the image, as its journal has it */
#if FWU_STRATEGY == FWU_STRATEGY_COPY
    struct fwu_installer installer; /* private */
#endif
};

/* Choose a bank and let the CPU have it. Programs one record at most for each bank, and with
 * FWU_STRATEGY_COPY installs the image. swaps: resets that the bootloader has caused in this start. A
 * cut leaves what fwu_journal_record and fwu_install say; the next start decides anew. */
void fwu_boot(enum fwu_cause cause, uint8_t swaps, struct fwu_decision *decision);

/* The bootloader, from a reset to the bank that is to run: hand bank and link_address, which is that of
 * the vector table then, to fwu_hal_run. A trial wants a watchdog that is started before. With
 * FWU_STRATEGY_SWAP it resets where it must and does not return then. is_found false: stay. */
void fwu_start(struct fwu_decision *decision);

#endif

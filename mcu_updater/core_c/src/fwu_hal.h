/* What the updater asks of your hardware.
 *
 * Addresses are those that the CPU uses now: the mapped bank at FWU_FLASH_BASE, the other one behind
 * it. Sizes are in bytes, times in milliseconds. A function that returns bool returns false where the
 * operation did not do what was asked; a power loss is never reported, for nothing runs after it.
 *
 * No function here is called from an interrupt, and none is called while another one runs. */
#ifndef FWU_HAL_H
#define FWU_HAL_H

#include <stdbool.h>
#include <stdint.h>

#include "fwu_layout.h"

/* Why the CPU starts, as the chip's reset flags say. */
enum fwu_cause {
    FWU_CAUSE_POWER,    /* power came back: costs a trial no attempt */
    FWU_CAUSE_SOFTWARE, /* and all others do */
    FWU_CAUSE_WATCHDOG,
    FWU_CAUSE_UNKNOWN
};

/* --- flash; bootloader and application */

/* Read from any address, of any alignment. False where a unit in the range cannot be read: where
 * that is an NMI or a bus fault (double ECC error), the HAL must turn it into false. */
bool fwu_hal_read(uint32_t address, uint8_t *data, uint32_t size);

/* Program whole units in ascending order; address and size are multiples of FWU_PROGRAM_UNIT. data
 * may lie at any address. False where a unit is not blank or fails; the units before it are done.
 * A cut leaves the unit that was being programmed in any state. */
bool fwu_hal_program(uint32_t address, const uint8_t *data, uint32_t size);

/* Erase the sector that starts at address. Must wait until the erase is complete and must not skip a
 * sector that reads blank. A cut leaves every unit of the sector in any state. */
bool fwu_hal_erase(uint32_t address);

#ifdef FWU_HAL_COMPARES
/* A HAL that can compare and digest by itself. The answers must be those that fwu_hal_read leads to.
 * match: how many bytes from address on read as expected, up to a unit that does not; a unit that
 * cannot be read holds nothing, and none behind the first that differs is looked at.
 * sha256: false where a unit cannot be read. */
uint32_t fwu_hal_match(uint32_t address, const uint8_t *expected, uint32_t size);
bool fwu_hal_sha256(uint32_t address, uint32_t size, uint8_t digest[32]);
#endif

/* --- banks; bootloader, and mapped_bank the application too */

#if FWU_STRATEGY != FWU_STRATEGY_COPY
/* The physical bank, 0 or 1, that is at FWU_FLASH_BASE now. */
uint8_t fwu_hal_mapped_bank(void);

/* Let the CPU see bank at FWU_FLASH_BASE. FWU_STRATEGY_REMAP: at once, and gone after a reset.
 * FWU_STRATEGY_SWAP: program the option; it counts from the next reset on. */
bool fwu_hal_map_bank(uint8_t bank);
#endif

#if FWU_STRATEGY == FWU_STRATEGY_COPY
/* For the application: the bank whose image was installed and runs. The bootloader has told it by
 * fwu_hal_run, in RAM or a backup register. */
uint8_t fwu_hal_running_bank(void);
#endif

/* Start the image of bank, whose vector table is at address. Does not return. Bootloader only. */
void fwu_hal_run(uint8_t bank, uint32_t address);

/* --- resets */

/* Why this start happened. After a reset of the bootloader's own (FWU_STRATEGY_SWAP) the cause of the
 * start before it: see fwu_hal_keep. */
enum fwu_cause fwu_hal_cause(void);

#if FWU_STRATEGY == FWU_STRATEGY_SWAP
/* How many resets the bootloader has caused in this start, and the cause of that start: kept over a
 * reset (a backup register, or RAM that start-up code leaves alone), 0 after any other reset. */
uint8_t fwu_hal_swaps(void);
void fwu_hal_keep(uint8_t swaps, enum fwu_cause cause);
#endif

/* Reset the CPU, so that options that were programmed count. Does not return. */
void fwu_hal_reset(void);

/* --- the application */

/* Milliseconds since some moment; wraps around at 2^32. */
uint32_t fwu_hal_now_ms(void);

/* What the module has sent: at least one byte and at most size, as soon as there is any; 0 after
 * timeout_ms of silence. Bytes that come while nobody asks must be kept, 256 at least. */
uint32_t fwu_hal_get(uint8_t *data, uint32_t size, uint32_t timeout_ms);

/* Send all of data to the module. False where that cannot be done at all. */
bool fwu_hal_put(const uint8_t *data, uint32_t size);

/* On trial: does this image work? Called once for each start on trial. True confirms it; false
 * brings the old one back. One that never returns is ended by your watchdog. */
bool fwu_hal_self_test(void);

struct fwu_plan;

/* May this plan be carried out now? Battery and signal are for you to know; see fwu_event.h. */
bool fwu_hal_admits(const struct fwu_plan *plan);

#endif

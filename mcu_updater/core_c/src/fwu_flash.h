/* Regions of flash by offset, and windows on them where the CPU sees them now.
 *
 * The updater's twin in Python: mcu_updater/core/slot.py, flash.py and bank.py. */
#ifndef FWU_FLASH_H
#define FWU_FLASH_H

#include <stdbool.h>
#include <stdint.h>

#include "fwu_layout.h"

#define FWU_ERASED 0xFFu
#define FWU_BANK_A 0u
#define FWU_BANK_B 1u
#define FWU_EXECUTION 2u /* index of the execution slot (FWU_STRATEGY_COPY) */

/* Sectors of one size, one behind the other. */
struct fwu_run {
    uint32_t count;
    uint32_t size;
};

/* Whole sectors from offset on: in each bank, or (FWU_STRATEGY_COPY) in the whole array. */
struct fwu_region {
    uint32_t offset;
    uint32_t size;
    uint32_t sectors;
    const struct fwu_run *runs;
};

struct fwu_area {
    struct fwu_region slot;
    struct fwu_region half[2];
};

/* Where slots and trailers lie: one area that both banks have, or storage A, B and execution slot.
 * Generated: fwu_layout.c. */
extern const struct fwu_area fwu_areas[FWU_AREAS];

/* One region of one bank. Offsets are relative to its start. */
struct fwu_window {
    uint32_t address;
    const struct fwu_region *region;
};

/* A slot and the two halves of its trailer. link_address: where what stands in the slot will run. */
struct fwu_bank {
    uint8_t index;
    uint32_t link_address;
    struct fwu_window slot;
    struct fwu_window half[2];
};

/* Bank index as it is mapped now: FWU_BANK_A or FWU_BANK_B; FWU_EXECUTION where images are copied.
 * Open it again after a remap. */
void fwu_open_bank(struct fwu_bank *bank, uint8_t index);

bool fwu_read(const struct fwu_window *window, uint32_t offset, uint8_t *data, uint32_t size);

/* How many bytes from offset on read as expected, up to a unit that does not. A unit that cannot be
 * read holds nothing; none behind the first that differs is looked at. */
uint32_t fwu_match(const struct fwu_window *window, uint32_t offset, const uint8_t *expected,
                   uint32_t size);
bool fwu_holds(const struct fwu_window *window, uint32_t offset, const uint8_t *expected,
               uint32_t size);

/* SHA-256 of the first size bytes; false where a unit cannot be read. */
bool fwu_digest(const struct fwu_window *window, uint32_t size, uint8_t digest[32]);

bool fwu_program(const struct fwu_window *window, uint32_t offset, const uint8_t *data,
                 uint32_t size);

/* Offset and size of a sector of the region; size 0 behind the last one. */
void fwu_sector(const struct fwu_region *region, uint32_t index, uint32_t *start, uint32_t *size);
bool fwu_erase_sector(const struct fwu_window *window, uint32_t index);

/* Erase all sectors of the window in ascending order, whatever they read. */
bool fwu_erase_all(const struct fwu_window *window);

#endif

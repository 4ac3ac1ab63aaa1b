/* Flash as these loaders use it: whole pages, double words, and reads that may fail. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

void flash_open(void); /* once, before all else: caches off, errors of old cleared */

/* The double word at *address*; false when the ECC could not restore it. */
bool flash_read(uint32_t address, uint32_t unit[2]);

/* Both say whether the controller did it without an error. */
bool flash_erase(uint32_t address);
bool flash_program(uint32_t address, const uint32_t unit[2]);

/* Set the option BFB2 and load it, which resets the MCU. Comes back only when that failed. */
void flash_boot_from_bank_2(void);

#ifndef SWAP_H
#define SWAP_H

#include <stdint.h>

#include "fwu_hal.h"

/* At the beginning of each start: reset_flags are RCC_CSR as it was found. */
void swap_begin(uint32_t reset_flags);

/* The cause of the start that the bootloader's own resets belong to; with fwu_hal_swaps() > 0. */
enum fwu_cause swap_cause(void);

#endif

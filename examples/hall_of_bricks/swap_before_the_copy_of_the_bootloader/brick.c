/*
 * The banks are swapped before the other one has a bootloader.
 *
 * After a swap the core starts from the other bank, so the bootloader copies itself there. It programs
 * SWAP_BANK first, which takes effect at the next reset, and copies then. A cut is a reset: the core
 * starts from a bank with half a bootloader in it.
 *
 * Mended: the copy first. (Reported of a part whose option bytes a cut can tear as well; those of this
 * one are atomic, and what is left is the order.)
 */
#include "../common/h5.h"

#define HERE 0x08000000u
#define THERE 0x08100000u
#define SIZE 0x200u
#define SLOT 0x08010000u

static void copy_bootloader(void)
{
    erase_sector(0u, BKSEL);
    for (uint32_t at = 0u; at < SIZE; at += UNIT) {
        program(THERE + at, HERE + at);
    }
}

void start(void)
{
    if (!(FLASH_OPTSR_CUR & SWAP_BANK)) {
#ifndef MENDED
        program_swap();
        copy_bootloader();
#else
        copy_bootloader();
        program_swap();
#endif
        REGISTER(0xE000ED0Cu) = 0x05FA0004u; /* SCB_AIRCR: reset */
    }
    start_image(SLOT);
}

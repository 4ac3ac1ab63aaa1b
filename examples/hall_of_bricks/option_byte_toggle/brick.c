/*
 * The bank to start from is an option byte.
 *
 * Version 2 is in bank 2. The bootloader sets BFB2 and loads the options, and the boot ROM starts bank
 * 2. A change of option bytes erases and programs them; a cut in between leaves a mismatch, and the
 * chip takes the values for that: read-out protection, all of flash protected as code. It starts
 * nothing any more.
 *
 * Mended: option bytes are left alone. FB_MODE, which is no flash, maps bank 2 at each boot anew.
 */
#include "../common/l4.h"

#define REQUEST 0x08004000u
#define LOG 0x08004800u
#define SLOT 0x08008000u
#define SWAP 0x50415753u
#define BFB2 (1u << 20)
#define RCC_APB2ENR REGISTER(0x40021060u)
#define SYSCFG_MEMRMP REGISTER(0x40010000u)

static void boot_from_bank_2(void)
{
#ifdef MENDED
    RCC_APB2ENR |= 1u;
    SYSCFG_MEMRMP |= 1u << 8; /* this code is in both banks, at the same place */
    after_the_reads();
#else
    unlock();
    FLASH_OPTKEYR = 0x08192A3Bu;
    FLASH_OPTKEYR = 0x4C5D6E7Fu;
    FLASH_OPTR |= BFB2;
    FLASH_CR = 1u << 17; /* OPTSTRT */
    finish();
    FLASH_CR = 1u << 27; /* OBL_LAUNCH */
#endif
}

void start(void)
{
    if (is(REQUEST, SWAP, 2u) && !(FLASH_OPTR & BFB2)) {
        erase(LOG);
        set(LOG); /* that it was asked for */
        boot_from_bank_2();
    }
    start_image(SLOT);
}

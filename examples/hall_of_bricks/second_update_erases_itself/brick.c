/*
 * The second update erases what runs.
 *
 * The first update has swapped the banks, by nSWAP_BANK. The second one prepares the other bank, as
 * the first one did: BKER from the address. BKER names a physical bank, and now that is the one which
 * runs. No cut is needed: the device never starts again.
 *
 * Mended: with the banks swapped, the other BKER.
 */
#define STM32G0
#include "../common/l4.h"

#define SLOT 0x08008000u
#define OTHER (SLOT + BANK) /* as it is mapped */
#define NSWAP_BANK (1u << 20)

static void erase_mapped(uint32_t address)
{
    uint32_t offset = address - 0x08000000u;
    bool second = offset >= BANK;

#ifdef MENDED
    second ^= (FLASH_OPTR & NSWAP_BANK) == 0u;
#endif
    erase_page(offset % BANK / PAGE, second ? BKER : 0u);
}

void start(void)
{
    erase_mapped(OTHER); /* the old version, to make room for the next one */
    start_image(SLOT);
}

/*
 * What is left of an update is erased in the bank that runs.
 *
 * The banks are swapped. A download into the other bank was broken off by a cut; at the next boot the
 * rest of it is erased, to begin anew. The driver derives BKER from the address, and BKER names a
 * physical bank, whatever SWAP_BANK has mapped: it erases the page at the same place of its own bank,
 * where the application is.
 *
 * Mended: with the banks swapped, the other BKER.
 */
#include "../common/u5.h"

#define SLOT 0x08010000u
#define UPDATE (SLOT + BANK) /* as it is mapped */
#define PARTS 2u

static const uint32_t parts[PARTS][4] __attribute__((aligned(16))) = {
    {0x20008000u, 0x08010009u, 0x2u, 0x2u},
    {0x454E4F44u, 0x2u, 0x2u, 0x2u}, /* the end mark */
};
static const uint32_t blank[4] = {~0u, ~0u, ~0u, ~0u};

static void erase(uint32_t address)
{
    uint32_t offset = address - 0x08000000u;
    bool second = offset >= BANK;

#ifdef MENDED
    second ^= (FLASH_OPTR & SWAP_BANK) != 0u;
#endif
    erase_page(offset % BANK / PAGE, second ? BKER : 0u);
}

static bool is_all_blank(void)
{
    bool all = true;

    for (uint32_t part = 0u; part < PARTS; part++) {
        all &= is(UPDATE + part * UNIT, blank);
    }
    return all;
}

static bool download(void)
{
    for (uint32_t part = 0u; part < PARTS; part++) {
        if (!program(UPDATE + part * UNIT, parts[part])) {
            return false;
        }
    }
    return true;
}

void start(void)
{
    if (!is(UPDATE + UNIT, parts[1])) {
        if (!is_all_blank() || !download()) {
            erase(UPDATE);
            download();
        }
    }
    start_image(SLOT);
}

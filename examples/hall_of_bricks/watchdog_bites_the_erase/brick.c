/*
 * The watchdog is faster than the erase of two sectors.
 *
 * The application has prepared two blank sectors for the update, and the bootloader only has to copy.
 * After a cut it cannot know what is in them and erases both, one right after the other, up to two
 * seconds each, with a watchdog of three seconds that nobody feeds in between. The reset comes in the
 * second erase; the next boot begins with the first: for ever.
 *
 * Mended: the watchdog is fed before each erase.
 */
#include "../common/f4.h"

#define BEGUN 0x08008000u /* sector 2 */
#define DONE 0x0800C000u  /* sector 3 */
#define SLOT 0x08020000u /* sectors 5 and 6 */
#define STAGED 0x08060000u
#define SIZE 16u
#define IWDG_KR REGISTER(0x40003000u)
#define IWDG_PR REGISTER(0x40003004u)
#define IWDG_RLR REGISTER(0x40003008u)

static void start_watchdog(void) /* three seconds, of 32 kHz / 64 */
{
    IWDG_KR = 0xCCCCu;
    IWDG_KR = 0x5555u;
    IWDG_PR = 4u;
    IWDG_RLR = 1500u;
    IWDG_KR = 0xAAAAu;
}

static void erase_slot(void)
{
    for (uint32_t sector = 5u; sector <= 6u; sector++) {
#ifdef MENDED
        IWDG_KR = 0xAAAAu;
#endif
        erase_sector(sector);
    }
    IWDG_KR = 0xAAAAu;
}

void start(void)
{
    start_watchdog();
    if (REGISTER(DONE) != 0u) {
        if (REGISTER(BEGUN) != ~0u) {
            erase_sector(3u); /* a mark that a cut has left weak must not come back */
            erase_slot();
        }
        program(BEGUN, 0u);
        for (uint32_t at = 0u; at < SIZE; at += 4u) {
            program(SLOT + at, REGISTER(STAGED + at));
        }
        program(DONE, 0u);
    }
    start_image(SLOT);
}

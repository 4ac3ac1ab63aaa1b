/*
 * Three cuts of power look like three crashes.
 *
 * Version 2 is on trial. Each boot records an attempt; when version 2 works, it is confirmed. After
 * three attempts without that, version 2 counts as broken and version 1 runs for good. Nothing is
 * wrong with version 2: power was cut three times in a row before the confirmation was written.
 *
 * Mended: only a boot that follows a reset by the watchdog counts as an attempt.
 */
#include "../common/l4.h"

#define TRIAL 0x08004000u /* page: three attempts */
#define ATTEMPTS 3u
#define CONFIRMED 0x08004800u
#define OLD_SLOT 0x08008000u
#define NEW_SLOT 0x08010000u
#define RCC_CSR REGISTER(0x40021094u)
#define IWDGRSTF (1u << 29)

static uint32_t attempts(void)
{
    uint32_t count = 0u;

    while (count < ATTEMPTS && !is_blank(TRIAL + count * UNIT, UNIT)) {
        count++;
    }
    return count;
}

static void record_attempt(uint32_t count)
{
#ifdef MENDED
    if (!(RCC_CSR & IWDGRSTF)) {
        return;
    }
#endif
    set(TRIAL + count * UNIT);
}

void start(void)
{
    if (!is_set(CONFIRMED)) {
        uint32_t count = attempts();
        if (count == ATTEMPTS) {
            start_image(OLD_SLOT);
        }
        record_attempt(count);
        erase(CONFIRMED); /* version 2 works, and says so */
        set(CONFIRMED);
    }
    start_image(NEW_SLOT);
}

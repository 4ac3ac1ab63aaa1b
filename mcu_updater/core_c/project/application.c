/* An example application: it asks for upgrades, installs them, and confirms itself. Put your own work
 * where it waits. */
#include "fwu_board.h"
#include "fwu_event.h"
#include "fwu_hal.h"
#include "fwu_updater.h"

#ifndef VERSION
#define VERSION "0.0.0"
#endif
#define ASK_AGAIN_MS 60000u

/* For people who look into a file. What the module is told stands in the journal: it is the version by
 * which the platform, or the first installation, has called this image. */
static const char version[] __attribute__((section(".version"), used)) = "version " VERSION;

static struct fwu_updater updater;

static uint8_t running_bank(void)
{
#if FWU_STRATEGY == FWU_STRATEGY_COPY
    return fwu_hal_running_bank();
#else
    return fwu_hal_mapped_bank();
#endif
}

/* Does this image do what it is for? Test what an upgrade can break: sensors, memories, the radio. */
bool fwu_hal_self_test(void)
{
    return true;
}

/* May an upgrade begin now? Compare plan->battery and plan->signal with yours. */
bool fwu_hal_admits(const struct fwu_plan *plan)
{
    (void)plan;
    return true;
}

/* Events that come meanwhile are dropped: the next session asks for what it needs. */
static void wait_and_drop(uint32_t time_ms)
{
    uint32_t start = fwu_hal_now_ms();
    uint8_t dropped[16];

    while (fwu_hal_now_ms() - start < time_ms) {
        (void)fwu_hal_get(dropped, sizeof dropped, time_ms);
    }
}

int main(void)
{
    fwu_board_begin();
    fwu_board_open();
    for (;;) {
        (void)fwu_updater_run(&updater, running_bank());
        fwu_board_led(true); /* this version is confirmed, and nothing is to be done */
        wait_and_drop(ASK_AGAIN_MS);
        fwu_board_led(false);
    }
}

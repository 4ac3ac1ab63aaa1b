/* The bootloader: chooses a bank by the journals, brings its image to the CPU, and starts it. */
#include "fwu_board.h"
#include "fwu_boot.h"

static struct fwu_decision decision; /* large, where images are copied: not on the stack */

int main(void)
{
    fwu_board_begin();
    fwu_start(&decision);
    if (decision.is_found) {
        if (decision.mode == FWU_MODE_TRIAL) {
            fwu_board_start_watchdog(); /* an image that hangs must not stay */
        }
        fwu_hal_run(decision.bank, decision.link_address);
    }
    fwu_board_blink();
    return 0;
}

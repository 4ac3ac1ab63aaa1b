/* The bootloader: chooses a bank by the journals, brings its image to the CPU, and starts it. */
#include "fwu_board.h"
#include "fwu_boot.h"
#include "fwu_bytes.h"

#define HEADER_SIZE_AT 8u /* in the header of a signed image; two bytes */

/* Where the vector table of an image at address is: behind its header, if it has one. */
static uint32_t vectors_of(uint32_t address)
{
    uint8_t head[HEADER_SIZE_AT + 2u];

    if (fwu_hal_read(address, head, sizeof head) && fwu_get_u32(head) == FWU_SIGNED_MAGIC) {
        return address + fwu_get_u16(head + HEADER_SIZE_AT);
    }
    return address;
}

int main(void)
{
    struct fwu_decision decision;

    fwu_board_begin();
    fwu_start(&decision);
    if (decision.is_found) {
        if (decision.mode == FWU_MODE_TRIAL) {
            fwu_board_start_watchdog(); /* an image that hangs must not stay */
        }
        fwu_hal_run(decision.bank, vectors_of(decision.link_address));
    }
    fwu_board_blink();
    return 0;
}

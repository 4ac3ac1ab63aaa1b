/* Bootloader and updater in one program: it takes the place of application.c, linked for where the CPU
 * begins. Whatever image the bootloader has chosen, the updater runs here, so that images in slots can be
 * a few hundred bytes that nobody executes; all else is as on a chip.
 *
 * The host at the module's USART is told what happens, in lines that begin with a byte that no AT command
 * has. After a session with nothing left to do the LED goes on; after any other the chip resets itself, and
 * the host lets the module's time pass until the next one. VERSION names how a self-test ends: pass, fail,
 * hang, or leave, which is a reset without a verdict. */
#include <string.h>

#include "fwu_board.h"
#include "fwu_boot.h"
#include "fwu_event.h"
#include "fwu_hal.h"
#include "fwu_updater.h"

#define OUT_OF_BAND 0xFFu

static struct fwu_decision decision;
static struct fwu_updater updater;

static void put_text(const char *text, uint32_t size)
{
    (void)fwu_hal_put((const uint8_t *)text, size);
}

static void tell(const char *what, const uint8_t *numbers, uint32_t count)
{
    const uint8_t mark = OUT_OF_BAND;

    (void)fwu_hal_put(&mark, 1u);
    put_text(what, (uint32_t)strlen(what));
    for (uint32_t i = 0u; i < count; i++) {
        char digits[2];

        digits[0] = ' ';
        digits[1] = (char)('0' + numbers[i]);
        put_text(digits, sizeof digits);
    }
}

static void end_line(void)
{
    put_text("\n", 1u);
}

static void tell_booted(void)
{
    uint8_t numbers[3];

    numbers[0] = decision.bank;
    numbers[1] = decision.mode;
    numbers[2] = (uint8_t)fwu_hal_cause();
    tell("booted", numbers, sizeof numbers);
    put_text(" ", 1u);
    put_text((const char *)decision.version.text, decision.version.size);
    end_line();
}

static void tell_ended(enum fwu_outcome outcome)
{
    uint8_t number = (uint8_t)outcome;

    tell("ended", &number, 1u);
    end_line();
}

bool fwu_hal_self_test(void)
{
    switch (VERSION[0]) {
    case 'f':
        return false;
    case 'l':
        tell("left", NULL, 0u);
        end_line();
        fwu_hal_reset();
        return false;
    case 'h':
        tell("left", NULL, 0u);
        end_line();
        __asm__ volatile("cpsid i");
        for (;;) {
        }
    default:
        return true;
    }
}

bool fwu_hal_admits(const struct fwu_plan *plan)
{
    (void)plan;
    return true;
}

static void rest(void)
{
    fwu_board_led(true);
    for (;;) {
    }
}

int main(void)
{
    enum fwu_outcome outcome;

    fwu_board_begin();
    fwu_start(&decision);
    if (!decision.is_found) {
        rest();
    }
    if (decision.mode == FWU_MODE_TRIAL) {
        fwu_board_start_watchdog();
    }
    fwu_board_open();
    tell_booted();
    fwu_updater_begin(&updater, decision.bank);
    do {
        outcome = fwu_updater_step(&updater);
    } while (outcome == FWU_RUNNING);
    tell_ended(outcome);
    if (outcome == FWU_NO_PLAN || outcome == FWU_TRAILER_WORN) {
        rest();
    }
    fwu_hal_reset();
    return 0;
}

/* What bootloader.c and application.c ask of the chip beside fwu_hal.h. Which pins and which USART that
 * is stands in chip.h. */
#ifndef FWU_BOARD_H
#define FWU_BOARD_H

#include <stdbool.h>
#include <stdint.h>

/* Clocks, LED, and the reset flags, which it reads and clears. First thing in main(). */
void fwu_board_begin(void);

/* The application's: vectors in RAM, time, and the USART of the module. */
void fwu_board_open(void);

/* An independent watchdog of some 30 s. Nothing but a reset stops it. */
void fwu_board_start_watchdog(void);

/* Harmless where it was never started. fwu_hal_get, fwu_hal_program and fwu_hal_erase do it, too. */
void fwu_board_feed_watchdog(void);

void fwu_board_led(bool on);

/* The bootloader's last word: nothing can be started. Blinks for ever. */
void fwu_board_blink(void);

#endif

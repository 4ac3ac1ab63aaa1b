/* Yours: what bootloader and application ask of the chip, function by function. What each one must do
 * stands in src/fwu_hal.h and fwu_board.h; here, what a chip of this kind is asked.
 *
 * As it is emitted it compiles, links, and can do nothing: no read succeeds, so the bootloader finds no
 * image and stays in fwu_board_blink. Look at hal/stm32 and its like in a folder that was emitted for an
 * STM32L476xG or an STM32F103xG: they are complete. */
#include "chip.h"
#include "fwu_board.h"
#include "fwu_hal.h"

/* --- flash */

/* Copy. Where a double ECC error is an NMI or a bus fault: note in its handler that it came, clear it, and
 * return false. A data cache must not hold what a program or an erase has changed. */
bool fwu_hal_read(uint32_t address, uint8_t *data, uint32_t size)
{
    (void)address;
    (void)data;
    (void)size;
    return false;
}

/* Clear old flags, unlock, program unit by unit, wait until none is busy, look at the flags, lock. */
bool fwu_hal_program(uint32_t address, const uint8_t *data, uint32_t size)
{
    (void)address;
    (void)data;
    (void)size;
    return false;
}

/* The sector's number in the register is often not the index: look into the manual at banks that are
 * exchanged. Code that waits for the end must run from RAM where flash cannot be read meanwhile. */
bool fwu_hal_erase(uint32_t address)
{
    (void)address;
    return false;
}

/* --- banks */

#if FWU_STRATEGY != FWU_STRATEGY_COPY

uint8_t fwu_hal_mapped_bank(void)
{
    return 0u;
}

/* Only where cortex_m_other_bank_begins_alike() says yes. Remap: from RAM, and without the caches' old
 * content. Swap: program the option, no more. */
bool fwu_hal_map_bank(uint8_t bank)
{
    (void)bank;
    return false;
}

#endif

/* --- resets */

/* Of the flags that fwu_board_begin has read. */
enum fwu_cause fwu_hal_cause(void)
{
    return FWU_CAUSE_UNKNOWN;
}

#if FWU_STRATEGY == FWU_STRATEGY_SWAP

/* Two numbers that survive a reset of the bootloader's own, and no other one. */
uint8_t fwu_hal_swaps(void)
{
    return 0u;
}

void fwu_hal_keep(uint8_t swaps, enum fwu_cause cause)
{
    (void)swaps;
    (void)cause;
}

#endif

/* With changed options: the reset that loads them. */
void fwu_hal_reset(void)
{
    cortex_m_reset();
}

/* --- the board */

/* Read and clear the reset flags; clocks; LED. */
void fwu_board_begin(void)
{
}

void fwu_board_led(bool on)
{
    (void)on;
}

void fwu_board_start_watchdog(void)
{
}

void fwu_board_feed_watchdog(void)
{
}

#ifdef FWU_BOOTLOADER

void fwu_hal_run(uint8_t bank, uint32_t address)
{
    cortex_m_note_bank(bank);
    cortex_m_start(address);
}

void fwu_board_blink(void)
{
    for (;;) {
    }
}

#else

#if FWU_STRATEGY == FWU_STRATEGY_COPY
uint8_t fwu_hal_running_bank(void)
{
    return cortex_m_noted_bank();
}
#endif

/* cortex_m_vectors_to_ram, cortex_m_start_ticks, the USART with its interrupt, interrupts_on. */
void fwu_board_open(void)
{
}

/* Takes the byte into a buffer of 256 bytes at least. */
void serial_interrupt(void);
void serial_interrupt(void)
{
}

uint32_t fwu_hal_get(uint8_t *data, uint32_t size, uint32_t timeout_ms)
{
    (void)data;
    (void)size;
    (void)timeout_ms;
    return 0u;
}

bool fwu_hal_put(const uint8_t *data, uint32_t size)
{
    (void)data;
    (void)size;
    return false;
}

#endif

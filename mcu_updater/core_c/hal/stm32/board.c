/* What STM32s have alike: reset flags, watchdog, LED, USART. Which registers those are: chip.h. */
#include "fwu_board.h"

#include "chip.h"
#include "fwu_hal.h"
#include "serial_ring.h"

#if FWU_STRATEGY == FWU_STRATEGY_SWAP
#include "swap.h"
#endif

static uint32_t reset_flags;

void fwu_board_begin(void)
{
    reset_flags = RCC_CSR;
    RCC_CSR |= RCC_CSR_RMVF;
#if FWU_STRATEGY == FWU_STRATEGY_SWAP
    swap_begin(reset_flags);
#endif
    chip_open();
}

/* The watchdog first: where it and power are both said, the trial pays for it. */
enum fwu_cause fwu_hal_cause(void)
{
#if FWU_STRATEGY == FWU_STRATEGY_SWAP
    if (fwu_hal_swaps() > 0u) {
        return swap_cause();
    }
#endif
    if ((reset_flags & (RCC_CSR_IWDGRSTF | RCC_CSR_WWDGRSTF)) != 0u) {
        return FWU_CAUSE_WATCHDOG;
    }
    if ((reset_flags & RCC_CSR_SFTRSTF) != 0u) {
        return FWU_CAUSE_SOFTWARE;
    }
    return (reset_flags & RCC_CSR_POWER) != 0u ? FWU_CAUSE_POWER : FWU_CAUSE_UNKNOWN;
}

#if FWU_STRATEGY != FWU_STRATEGY_SWAP
void fwu_hal_reset(void)
{
    cortex_m_reset();
}
#endif

void fwu_board_led(bool on)
{
    GPIOA_BSRR = on ? 1u << LED_PIN : 1u << (LED_PIN + 16u);
}

/* --- independent watchdog: the same registers in all families */

#define IWDG_KR REGISTER(0x40003000u)
#define IWDG_KR_FEED 0xAAAAu
#define IWDG_KR_ACCESS 0x5555u
#define IWDG_KR_START 0xCCCCu
#define IWDG_PR REGISTER(0x40003004u)
#define IWDG_PR_256 6u
#define IWDG_RLR REGISTER(0x40003008u)
#define IWDG_SR REGISTER(0x4000300Cu)

void fwu_board_start_watchdog(void)
{
    IWDG_KR = IWDG_KR_START;
    IWDG_KR = IWDG_KR_ACCESS;
    IWDG_PR = IWDG_PR_256;
    IWDG_RLR = 0xFFFu; /* 4,096 x 256 periods of LSI: 33 s of 32 kHz, 26 s of 40 kHz */
    while (IWDG_SR != 0u) {
    }
    IWDG_KR = IWDG_KR_FEED;
}

void fwu_board_feed_watchdog(void)
{
    IWDG_KR = IWDG_KR_FEED;
}

#ifdef FWU_BOOTLOADER

void fwu_hal_run(uint8_t bank, uint32_t address)
{
    cortex_m_note_bank(bank);
    cortex_m_start(address);
}

void fwu_board_blink(void)
{
    for (bool on = true;; on = !on) {
        fwu_board_led(on);
        cortex_m_pause(CLOCK_HZ, on ? 1u : 9u);
    }
}

#else

#if FWU_STRATEGY == FWU_STRATEGY_COPY
uint8_t fwu_hal_running_bank(void)
{
    return cortex_m_noted_bank();
}
#endif

void fwu_board_open(void)
{
    cortex_m_vectors_to_ram();
    cortex_m_start_ticks(CLOCK_HZ);
    chip_open_serial();
    USART_BRR = (SERIAL_HZ + BAUD / 2u) / BAUD;
    USART_CR1 = USART_CR1_UE | USART_CR1_RE | USART_CR1_TE | USART_CR1_RXNEIE;
    NVIC_ISER(SERIAL_IRQ) = NVIC_BIT(SERIAL_IRQ);
    interrupts_on();
}

/* From RAM, with its data: it runs while flash is busy, too. */
RAM_CODE void serial_interrupt(void);
RAM_CODE void serial_interrupt(void)
{
    uint32_t status = USART_STATUS;
    uint32_t received = USART_RECEIVED;

    if ((status & USART_STATUS_ORE) != 0u) {
        serial_ring.lost++;
        USART_CLEAR_ORE();
    }
    if ((status & USART_STATUS_RXNE) != 0u) {
        serial_ring_put((uint8_t)received);
    }
}

bool fwu_hal_put(const uint8_t *data, uint32_t size)
{
    for (uint32_t at = 0u; at < size; at++) {
        while ((USART_STATUS & USART_STATUS_TXE) == 0u) {
        }
        USART_SENT = data[at];
    }
    return true;
}

#endif

/* Clocks and pins of an STM32F103. */
#include "chip.h"

/* 64 MHz take two wait states (PM0075, 3.1), and PCLK1 has to be halved. */
static void open_clock(void)
{
    if ((RCC_CFGR & RCC_CFGR_SWS) == RCC_CFGR_SWS_PLL) {
        return; /* the bootloader has done it */
    }
    FLASH_ACR = FLASH_ACR_PRFTBE | 2u;
    RCC_CFGR = RCC_CFGR_PLLMUL_16 | RCC_CFGR_PPRE1_HALF;
    RCC_CR |= RCC_CR_PLLON;
    while ((RCC_CR & RCC_CR_PLLRDY) == 0u) {
    }
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    while ((RCC_CFGR & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL) {
    }
}

void chip_open(void)
{
    open_clock();
    RCC_APB2ENR |= RCC_APB2ENR_IOPAEN;
    GPIOA_CRL = (GPIOA_CRL & ~0xF00000u) | 0x200000u; /* PA5: output, 2 MHz */
}

#ifndef FWU_BOOTLOADER

void chip_open_serial(void)
{
    RCC_APB2ENR |= RCC_APB2ENR_USART1EN;
    GPIOA_BSRR = 1u << 10; /* the pull-up of PA10 */
    GPIOA_CRH = (GPIOA_CRH & ~0xFF0u) | 0x8B0u; /* PA9: alternate, 50 MHz; PA10: input with pull-up */
}

#endif

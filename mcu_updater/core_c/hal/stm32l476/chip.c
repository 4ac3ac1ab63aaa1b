/* Clocks and pins of an STM32L476. */
#include "chip.h"

/* 48 MHz take two wait states in voltage range 1, in which the chip starts: 3.3.3, table 9. */
static void open_clock(void)
{
    uint32_t access = FLASH_ACR & ~(FLASH_ACR_LATENCY | FLASH_ACR_DCEN);

    FLASH_ACR = access | 2u | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN;
    while ((FLASH_ACR & FLASH_ACR_LATENCY) != 2u) {
    }
    while ((RCC_CR & RCC_CR_MSIRDY) == 0u) { /* its range must not change before */
    }
    RCC_CR = (RCC_CR & ~RCC_CR_MSIRANGE) | RCC_CR_MSIRANGE_48_MHZ | RCC_CR_MSIRGSEL;
}

static void set_mode(uint32_t pin, uint32_t mode)
{
    GPIOA_MODER = (GPIOA_MODER & ~(3u << (2u * pin))) | mode << (2u * pin);
}

void chip_open(void)
{
    open_clock();
    RCC_AHB2ENR |= RCC_AHB2ENR_GPIOAEN;
    RCC_APB2ENR |= RCC_APB2ENR_SYSCFGEN;
    (void)RCC_APB2ENR; /* 6.2.19: the clock is there two cycles later */
    set_mode(LED_PIN, 1u);
}

#ifndef FWU_BOOTLOADER

void chip_open_serial(void)
{
    RCC_CR |= RCC_CR_HSION;
    while ((RCC_CR & RCC_CR_HSIRDY) == 0u) {
    }
    RCC_CCIPR = (RCC_CCIPR & ~3u) | RCC_CCIPR_USART1_HSI16;
    RCC_APB2ENR |= RCC_APB2ENR_USART1EN;
    (void)RCC_APB2ENR;
    GPIOA_AFRH = (GPIOA_AFRH & ~0xFF0u) | 0x770u; /* PA9 and PA10: AF7 */
    set_mode(9u, 2u);
    set_mode(10u, 2u);
}

#endif

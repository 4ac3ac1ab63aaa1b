/* Clocks, pins, and resets by the option bytes of an STM32U575. */
#include "chip.h"

#include "fwu_board.h"
#include "fwu_hal.h"

/* HSI16: what the lowest voltage range, in which the chip starts, takes with two wait states. */
static void open_clock(void)
{
    FLASH_ACR = (FLASH_ACR & ~FLASH_ACR_LATENCY) | 2u;
    while ((FLASH_ACR & FLASH_ACR_LATENCY) != 2u) {
    }
    RCC_CR |= RCC_CR_HSION;
    while ((RCC_CR & RCC_CR_HSIRDY) == 0u) {
    }
    RCC_CFGR1 = (RCC_CFGR1 & ~RCC_CFGR1_SW) | RCC_CFGR1_SW_HSI16;
    while ((RCC_CFGR1 & RCC_CFGR1_SWS) != RCC_CFGR1_SWS_HSI16) {
    }
}

static void set_mode(uint32_t pin, uint32_t mode)
{
    GPIOA_MODER = (GPIOA_MODER & ~(3u << (2u * pin))) | mode << (2u * pin);
}

void chip_open(void)
{
    open_clock();
    RCC_AHB2ENR1 |= RCC_AHB2ENR1_GPIOAEN;
    (void)RCC_AHB2ENR1;
    set_mode(LED_PIN, 1u);
}

#ifndef FWU_BOOTLOADER

void chip_open_serial(void)
{
    RCC_CCIPR1 = (RCC_CCIPR1 & ~RCC_CCIPR1_USART1) | RCC_CCIPR1_USART1_HSI16;
    RCC_APB2ENR |= RCC_APB2ENR_USART1EN;
    (void)RCC_APB2ENR;
    GPIOA_AFRH = (GPIOA_AFRH & ~0xFF0u) | 0x770u; /* PA9 and PA10: AF7 */
    set_mode(9u, 2u);
    set_mode(10u, 2u);
}

#endif

/* STM32F103: registers of RM0008 and PM0075 that are used here, and the pins of this board. */
#ifndef CHIP_H
#define CHIP_H

#include "cortex_m.h"

/* The module at USART1, 115,200 baud: PA9 sends, PA10 receives. The LED at PA5, as on a Nucleo board. */
#define BAUD 115200u
#define CLOCK_HZ 64000000u /* PLL from HSI: no crystal is needed */
#define SERIAL_HZ CLOCK_HZ /* PCLK2 */
#define SERIAL_IRQ 37u

/* Clocks and the LED's pin; then the USART's. */
void chip_open(void);
void chip_open_serial(void);

/* --- flash, PM0075 3; XL parts have a second set for bank 2, PM0068 */
#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_ACR_PRFTBE (1u << 4)
#define FLASH_SET_2 0x40u
#define FLASH_BANK_2 0x08080000u
#define FLASH_KEYR(set) REGISTER(0x40022004u + (set))
#define FLASH_KEY_1 0x45670123u
#define FLASH_KEY_2 0xCDEF89ABu
#define FLASH_SR(set) REGISTER(0x4002200Cu + (set))
#define FLASH_SR_BSY (1u << 0)
#define FLASH_SR_PGERR (1u << 2)
#define FLASH_SR_WRPRTERR (1u << 4)
#define FLASH_SR_EOP (1u << 5)
#define FLASH_CR(set) REGISTER(0x40022010u + (set))
#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_PER (1u << 1)
#define FLASH_CR_STRT (1u << 6)
#define FLASH_CR_LOCK (1u << 7)
#define FLASH_AR(set) REGISTER(0x40022014u + (set))

/* --- RCC, RM0008 7.3 */
#define RCC_CR REGISTER(0x40021000u)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR REGISTER(0x40021004u)
#define RCC_CFGR_SW 0x3u
#define RCC_CFGR_SW_PLL 0x2u
#define RCC_CFGR_SWS 0xCu
#define RCC_CFGR_SWS_PLL 0x8u
#define RCC_CFGR_PPRE1_HALF (4u << 8)
#define RCC_CFGR_PLLMUL_16 (0xEu << 18) /* of HSI / 2 = 4 MHz */
#define RCC_APB2ENR REGISTER(0x40021018u)
#define RCC_APB2ENR_IOPAEN (1u << 2)
#define RCC_APB2ENR_USART1EN (1u << 14)
#define RCC_CSR REGISTER(0x40021024u)
#define RCC_CSR_RMVF (1u << 24)
#define RCC_CSR_POWER (1u << 27) /* PORRSTF */
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)
#define RCC_CSR_WWDGRSTF (1u << 30)

/* --- GPIO, RM0008 9.2: four bits for each pin */
#define GPIOA_CRL REGISTER(0x40010800u)
#define GPIOA_CRH REGISTER(0x40010804u)
#define GPIOA_BSRR REGISTER(0x40010810u)
#define LED_PIN 5u

/* --- USART, RM0008 27.6 */
#define USART_STATUS REGISTER(0x40013800u)
#define USART_STATUS_ORE (1u << 3)
#define USART_STATUS_RXNE (1u << 5)
#define USART_STATUS_TXE (1u << 7)
#define USART_CLEAR_ORE() ((void)0) /* reads of the status and of the data do it */
#define USART_RECEIVED REGISTER(0x40013804u)
#define USART_SENT REGISTER(0x40013804u)
#define USART_BRR REGISTER(0x40013808u)
#define USART_CR1 REGISTER(0x4001380Cu)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_CR1_UE (1u << 13)

#endif

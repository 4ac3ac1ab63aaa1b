/* STM32L471, L475, L476, L486: registers of RM0351 that are used here, and the pins of this board. */
#ifndef CHIP_H
#define CHIP_H

#include "cortex_m.h"

/* The module at USART1, 115,200 baud: PA9 sends, PA10 receives. The LED at PA5, as on a Nucleo board. */
#define BAUD 115200u
#define CLOCK_HZ 48000000u /* MSI, its highest range */
#define SERIAL_HZ 16000000u /* HSI16, which is exact enough for a USART at any temperature; MSI is not */
#define SERIAL_IRQ 37u

/* Clocks and the LED's pin; then the USART's. */
void chip_open(void);
void chip_open_serial(void);

/* --- flash, 3.7 */
#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_ACR_LATENCY 0x7u
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)
#define FLASH_ACR_ICRST (1u << 11)
#define FLASH_ACR_DCRST (1u << 12)
#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_KEY_1 0x45670123u
#define FLASH_KEY_2 0xCDEF89ABu
#define FLASH_SR REGISTER(0x40022010u)
#define FLASH_SR_ERRORS 0xC3FAu
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR REGISTER(0x40022014u)
#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_PER (1u << 1)
#define FLASH_CR_PNB_SHIFT 3u
#define FLASH_CR_BKER (1u << 11)
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_LOCK (1u << 31)
#define FLASH_ECCR REGISTER(0x40022018u)
#define FLASH_ECCR_ECCD (1u << 31) /* cleared by a 1 */

/* --- RCC, 6.4 */
#define RCC_CR REGISTER(0x40021000u)
#define RCC_CR_MSIRDY (1u << 1)
#define RCC_CR_MSIRGSEL (1u << 3)
#define RCC_CR_MSIRANGE 0xF0u
#define RCC_CR_MSIRANGE_48_MHZ 0xB0u
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_AHB2ENR REGISTER(0x4002104Cu)
#define RCC_AHB2ENR_GPIOAEN (1u << 0)
#define RCC_APB2ENR REGISTER(0x40021060u)
#define RCC_APB2ENR_SYSCFGEN (1u << 0)
#define RCC_APB2ENR_USART1EN (1u << 14)
#define RCC_CCIPR REGISTER(0x40021088u)
#define RCC_CCIPR_USART1_HSI16 0x2u
#define RCC_CSR REGISTER(0x40021094u)
#define RCC_CSR_RMVF (1u << 23)
#define RCC_CSR_POWER (1u << 27) /* BORRSTF: power-on sets it, too */
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)
#define RCC_CSR_WWDGRSTF (1u << 30)

/* --- SYSCFG, 9.2.1 */
#define SYSCFG_MEMRMP REGISTER(0x40010000u)
#define SYSCFG_MEMRMP_FB_MODE (1u << 8) /* bank 2 is at 0x0800_0000; gone after a reset */

/* --- GPIO, 8.5 */
#define GPIOA_MODER REGISTER(0x48000000u)
#define GPIOA_BSRR REGISTER(0x48000018u)
#define GPIOA_AFRH REGISTER(0x48000024u)
#define LED_PIN 5u

/* --- USART, 40.8 */
#define USART_CR1 REGISTER(0x40013800u)
#define USART_CR1_UE (1u << 0)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_BRR REGISTER(0x4001380Cu)
#define USART_STATUS REGISTER(0x4001381Cu)
#define USART_STATUS_ORE (1u << 3)
#define USART_STATUS_RXNE (1u << 5)
#define USART_STATUS_TXE (1u << 7)
#define USART_CLEAR_ORE() (REGISTER(0x40013820u) = USART_STATUS_ORE)
#define USART_RECEIVED REGISTER(0x40013824u)
#define USART_SENT REGISTER(0x40013828u)

#endif

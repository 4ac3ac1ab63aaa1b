/* STM32U575, U585, U5A5 (TZEN = 0): registers of RM0456 that are used here, and the pins of this board. */
#ifndef CHIP_H
#define CHIP_H

#include "cortex_m.h"

/* The module at USART1, 115,200 baud: PA9 sends, PA10 receives. The LED at PA5. */
#define BAUD 115200u
#define CLOCK_HZ 16000000u /* HSI16 */
#define SERIAL_HZ CLOCK_HZ
#define SERIAL_IRQ 61u

/* Clocks and the LED's pin; then the USART's. */
void chip_open(void);
void chip_open_serial(void);

/* --- flash, 7.9 */
#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_ACR_LATENCY 0xFu
#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_KEY_1 0x45670123u
#define FLASH_KEY_2 0xCDEF89ABu
#define FLASH_OPTKEYR REGISTER(0x40022010u)
#define FLASH_OPTKEY_1 0x08192A3Bu
#define FLASH_OPTKEY_2 0x4C5D6E7Fu
#define FLASH_SR REGISTER(0x40022020u)
#define FLASH_SR_ERRORS 0x20FAu
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR REGISTER(0x40022028u)
#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_PER (1u << 1)
#define FLASH_CR_PNB_SHIFT 3u
#define FLASH_CR_BKER (1u << 11)
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_OPTSTRT (1u << 17)
#define FLASH_CR_OBL_LAUNCH (1u << 27)
#define FLASH_CR_OPTLOCK (1u << 30)
#define FLASH_CR_LOCK (1u << 31)
#define FLASH_ECCR REGISTER(0x40022030u)
#define FLASH_ECCR_ECCD (1u << 31) /* cleared by a 1 */
#define FLASH_OPTR REGISTER(0x40022040u)
#define FLASH_OPTR_SWAP_BANK (1u << 20)

/* --- RCC, 11.8 */
#define RCC_CR REGISTER(0x46020C00u)
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CFGR1 REGISTER(0x46020C1Cu)
#define RCC_CFGR1_SW 0x3u
#define RCC_CFGR1_SW_HSI16 0x1u
#define RCC_CFGR1_SWS 0xCu
#define RCC_CFGR1_SWS_HSI16 0x4u
#define RCC_AHB2ENR1 REGISTER(0x46020C8Cu)
#define RCC_AHB2ENR1_GPIOAEN (1u << 0)
#define RCC_AHB3ENR REGISTER(0x46020C94u)
#define RCC_AHB3ENR_PWREN (1u << 2)
#define RCC_APB2ENR REGISTER(0x46020CA4u)
#define RCC_APB2ENR_USART1EN (1u << 14)
#define RCC_APB3ENR REGISTER(0x46020CA8u)
#define RCC_APB3ENR_RTCAPBEN (1u << 21)
#define RCC_CCIPR1 REGISTER(0x46020CE0u)
#define RCC_CCIPR1_USART1 0x3u
#define RCC_CCIPR1_USART1_HSI16 0x2u
#define RCC_CSR REGISTER(0x46020CF4u)
#define RCC_CSR_RMVF (1u << 23)
#define RCC_CSR_OBLRSTF (1u << 25)
#define RCC_CSR_POWER (1u << 27) /* BORRSTF: power-on sets it, too */
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)
#define RCC_CSR_WWDGRSTF (1u << 30)

/* --- PWR, 10.10; TAMP, 65.6: a register that a reset leaves alone */
#define PWR_DBPR REGISTER(0x46020828u)
#define PWR_DBPR_DBP (1u << 0)
#define TAMP_BKP31R REGISTER(0x46007D7Cu)

/* --- GPIO, 13.4 */
#define GPIOA_MODER REGISTER(0x42020000u)
#define GPIOA_BSRR REGISTER(0x42020018u)
#define GPIOA_AFRH REGISTER(0x42020024u)
#define LED_PIN 5u

/* --- USART, 66.8 */
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

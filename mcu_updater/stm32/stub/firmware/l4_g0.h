/* What STM32L476xG and G0B1xE have alike: two banks of pages, USARTs. RM0351, RM0444, CMSIS. */
#pragma once
#include "usart_new.h"

#define FLASH_SIZE_KIB (*(volatile uint16_t *)0x1FFF75E0u)
#define UID ((volatile uint32_t *)0x1FFF7590u)

/* The boot ROM leaves the one on that it was spoken to: AN2606 */
#define USART1 ((usart_t *)0x40013800u)
#define USART2 ((usart_t *)0x40004400u)
#define USART3 ((usart_t *)0x40004800u)
#define ROM_USARTS {USART1, USART2, USART3}

#define FLASH_PAGE_SIZE 2048u
#define FLASH_UNIT_SIZE 8u /* a double word: the smallest that can be programmed */

#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_SR REGISTER(0x40022010u)
#define FLASH_CR REGISTER(0x40022014u)
#define FLASH_ECCR REGISTER(0x40022018u)
#define FLASH_SR_ERRORS 0xC3FAu
#define FLASH_CR_PER (1u << 1)
#define FLASH_CR_MER1 (1u << 2)
#define FLASH_CR_PNB_SHIFT 3
#define FLASH_CR_MER2 (1u << 15)
#define FLASH_ECCR_FLAGS 0xC0000000u /* ECCC, ECCD: cleared by a 1 */

/* STM32G0B1xE, two banks of 128 pages. RM0444, and the CMSIS header. */
#pragma once
#include "usart_new.h"

#define IDCODE REGISTER(0x40015800u)
#define FLASH_SIZE_KIB (*(volatile uint16_t *)0x1FFF75E0u)
#define UID ((volatile uint32_t *)0x1FFF7590u)

/* nSWAP_BANK clear: bank 2 at the base; DUAL_BANK clear: one bank, whose pages count on */
#define FLASH_OPTR REGISTER(0x40022020u)
#define IS_MAPPED_OTHERWISE (~FLASH_OPTR & 3u << 20)

/* The boot ROM leaves the one on that it was spoken to: AN2606 */
#define USART1 ((usart_t *)0x40013800u)
#define USART2 ((usart_t *)0x40004400u)
#define USART3 ((usart_t *)0x40004800u)
#define ROM_USARTS {USART1, USART2, USART3}

#define FLASH_SIZE 0x80000u
#define FLASH_BANK_SIZE 0x40000u
#define FLASH_PAGE_SIZE 2048u
#define FLASH_UNIT_SIZE 8u /* a double word: the smallest that can be programmed */

#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_SR REGISTER(0x40022010u)
#define FLASH_CR REGISTER(0x40022014u)
#define FLASH_ECCR REGISTER(0x40022018u)
#define FLASH_ECC2R REGISTER(0x4002201Cu) /* of bank 2 */
#define FLASH_ACR_CACHES 0x300u      /* PRFTEN, ICEN */
#define FLASH_ACR_RESET_CACHES 0x800u /* ICRST: only while the cache is off */
#define FLASH_SR_ERRORS 0xC3FAu
#define FLASH_SR_BSY (7u << 16) /* BSY1, BSY2, CFGBSY */
#define FLASH_CR_PER (1u << 1)
#define FLASH_CR_MER1 (1u << 2)
#define FLASH_CR_PNB_SHIFT 3
#define FLASH_CR_BKER (1u << 13)
#define FLASH_CR_MER2 (1u << 15)
#define FLASH_ECCR_FLAGS 0xC0000000u /* ECCC, ECCD: cleared by a 1 */

#define flash_forget_unreadable() \
    (FLASH_ECCR = FLASH_ECCR | FLASH_ECCR_FLAGS, FLASH_ECC2R = FLASH_ECC2R | FLASH_ECCR_FLAGS)

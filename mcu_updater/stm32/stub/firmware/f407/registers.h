/* STM32F407xG: one bank of 12 sectors. RM0090, and the CMSIS header. */
#pragma once
#include "usart_old.h"

#define IDCODE REGISTER(0xE0042000u)
#define FLASH_SIZE_KIB (*(volatile uint16_t *)0x1FFF7A22u)
#define UID ((volatile uint32_t *)0x1FFF7A10u)
#define IS_MAPPED_OTHERWISE 0u /* there is one bank */

/* The boot ROM leaves the one on that it was spoken to: AN2606 */
#define USART1 ((usart_t *)0x40011000u)
#define USART3 ((usart_t *)0x40004800u)
#define ROM_USARTS {USART1, USART3}

#define FLASH_SIZE 0x100000u

#define FLASH_ACR REGISTER(0x40023C00u)
#define FLASH_KEYR REGISTER(0x40023C04u)
#define FLASH_SR REGISTER(0x40023C0Cu)
#define FLASH_CR REGISTER(0x40023C10u)
#define FLASH_ACR_CACHES 0x700u       /* PRFTEN, ICEN, DCEN */
#define FLASH_ACR_RESET_CACHES 0x1800u /* ICRST, DCRST: only while the caches are off */
#define FLASH_SR_ERRORS 0x1F2u /* OPERR, WRPERR, PGAERR, PGPERR, PGSERR, RDERR */
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR_SER (1u << 1)
#define FLASH_CR_MER (1u << 2)
#define FLASH_CR_SNB_SHIFT 3
/*
 * PSIZE, bits 9:8, stays 0: bytes. Any wider needs a supply that nobody here can measure, and what
 * was written with too little of it reads right and "may not be retained" (RM0090 3.6.2).
 */
#define FLASH_UNIT_SIZE 1u

#define flash_forget_unreadable() ((void)0) /* there is no ECC */

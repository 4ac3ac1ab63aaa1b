/* What the stub needs to know of a chip; what differs is in the folder that the Makefile chooses. */
#pragma once
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define FLASH_BASE 0x08000000u
#define BLOCK_SIZE 2048u /* most that one write carries; none goes across a multiple of it */

#include "registers.h"

#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_LOCK (1u << 31)

/* Alike in both kinds of USART, in what is called ISR in one and SR in the other. */
#define USART_LINE_ERRORS 0xFu /* PE, FE, NE, ORE */
#define USART_ISR_RXNE (1u << 5)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXE (1u << 7)

#define IWDG_KR REGISTER(0x40003000u)
#define IWDG_REFRESH 0xAAAAu /* nothing where the watchdog does not run */

/* PM0214, PM0223 "System control block" */
#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_AIRCR_RESET 0x05FA0004u

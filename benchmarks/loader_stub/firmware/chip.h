/* The registers that the stub uses, of an STM32L476. Offsets: RM0351, and the CMSIS header. */
#pragma once
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Of its three USARTs the boot ROM leaves the one on that it was spoken to. RM0351 "USART registers" */
typedef struct {
    volatile uint32_t cr1, cr2, cr3, brr, gtpr, rtor, rqr, isr, icr, rdr, tdr;
} usart_t;

#define USART1 ((usart_t *)0x40013800u)
#define USART2 ((usart_t *)0x40004400u)
#define USART3 ((usart_t *)0x40004800u)
#define USART_CR1_UE (1u << 0)
#define USART_LINE_ERRORS 0xFu /* PE, FE, NE, ORE: alike in ISR and ICR */
#define USART_ISR_RXNE (1u << 5)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXE (1u << 7)

/* RM0351 "FLASH registers" */
#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_SR REGISTER(0x40022010u)
#define FLASH_CR REGISTER(0x40022014u)
#define FLASH_ECCR REGISTER(0x40022018u)
#define FLASH_ACR_CACHES 0x700u       /* PRFTEN, ICEN, DCEN */
#define FLASH_ACR_RESET_CACHES 0x1800u /* ICRST, DCRST: only while the caches are off */
#define FLASH_SR_ERRORS 0xC3FAu
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_PER (1u << 1)
#define FLASH_CR_MER1 (1u << 2)
#define FLASH_CR_PNB_SHIFT 3
#define FLASH_CR_BKER (1u << 11)
#define FLASH_CR_MER2 (1u << 15)
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_LOCK (1u << 31)
#define FLASH_ECCR_FLAGS 0xC0000000u /* ECCC, ECCD: cleared by a 1 */

#define FLASH_BASE 0x08000000u
#define FLASH_BANK_SIZE 0x80000u
#define FLASH_SIZE (2u * FLASH_BANK_SIZE)
#define PAGE_SIZE 2048u
#define UNIT_SIZE 8u /* a double word: the smallest that can be programmed */

#define SYSCFG_MEMRMP REGISTER(0x40010000u)
#define DBGMCU_IDCODE REGISTER(0xE0042000u)
#define FLASH_SIZE_KIB (*(volatile uint16_t *)0x1FFF75E0u)
#define UID ((volatile uint32_t *)0x1FFF7590u)

#define IWDG_KR REGISTER(0x40003000u)
#define IWDG_REFRESH 0xAAAAu /* nothing where the watchdog does not run */

/* PM0214 "System control block" */
#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_AIRCR_RESET 0x05FA0004u

/* The registers that these programs use: an STM32L476 (RM0351), or an STM32G0B1 (RM0444). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define PAGE_SIZE 2048u
#define UNIT_SIZE 8u /* a double word: the smallest that can be programmed */
#define RAM_START 0x20000000u
#define RAM_END 0x20018000u

/* "FLASH registers": alike on both as far as they are used, but for BKER */
#define FLASH_BASE 0x08000000u
#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_OPTKEYR REGISTER(0x4002200Cu)
#define FLASH_SR REGISTER(0x40022010u)
#define FLASH_CR REGISTER(0x40022014u)
#define FLASH_ECCR REGISTER(0x40022018u)
#define FLASH_OPTR REGISTER(0x40022020u)
#define FLASH_ACR_CACHES 0x700u
#define FLASH_SR_ERRORS 0xC3FAu
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR_PG (1u << 0)
#define FLASH_CR_PER (1u << 1)
#define FLASH_CR_PNB_SHIFT 3
#define FLASH_CR_STRT (1u << 16)
#define FLASH_CR_OPTSTRT (1u << 17)
#define FLASH_CR_OBL_LAUNCH (1u << 27)
#define FLASH_CR_LOCK (1u << 31)
#define FLASH_ECCR_ECCD (1u << 31) /* cleared by a 1 */
#define FLASH_OPTR_BFB2 (1u << 20)

#define RCC_BASE 0x40021000u
#define USART2_CR1 REGISTER(0x40004400u)
#define USART2_BRR REGISTER(0x4000440Cu)
#define USART2_ISR REGISTER(0x4000441Cu)
#define USART2_RDR REGISTER(0x40004424u)
#define USART2_TDR REGISTER(0x40004428u)
#define USART_CR1_UE_TE 0x9u
#define USART_CR1_RE (1u << 2)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_ISR_RXNE (1u << 5)
#define USART_ISR_TXE (1u << 7)

#ifdef STM32G0
#define BANK_SIZE 0x40000u
#define FLASH_CR_BKER (1u << 13)
#define RCC_GPIO_ENABLE REGISTER(RCC_BASE + 0x34u)
#define RCC_USART2_ENABLE REGISTER(RCC_BASE + 0x3Cu)
#define GPIOA_BASE 0x50000000u
#define PA2_IS_USART2 1u
#define CLOCK_HZ 16000000u
#else
#define BANK_SIZE 0x80000u
#define FLASH_CR_BKER (1u << 11)
#define RCC_GPIO_ENABLE REGISTER(RCC_BASE + 0x4Cu)
#define RCC_USART2_ENABLE REGISTER(RCC_BASE + 0x58u)
#define RCC_APB2ENR REGISTER(RCC_BASE + 0x60u)
#define RCC_APB2ENR_SYSCFGEN (1u << 0)
#define GPIOA_BASE 0x48000000u
#define PA2_IS_USART2 7u
#define CLOCK_HZ 4000000u
#define SYSCFG_MEMRMP REGISTER(0x40010000u)
#define SYSCFG_MEMRMP_FB_MODE (1u << 8)
#endif
#define RCC_USART2EN (1u << 17)
#define GPIOA_MODER REGISTER(GPIOA_BASE + 0x00u)
#define GPIOA_AFRL REGISTER(GPIOA_BASE + 0x20u)

/* PM0214, PM0223 "System control block" */
#define SCB_ICSR REGISTER(0xE000ED04u)
#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_AIRCR_RESET 0x05FA0004u

/* PM0214 "SysTick timer" */
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_CLKSOURCE (1u << 2)
#define SYST_CSR_COUNTFLAG (1u << 16)

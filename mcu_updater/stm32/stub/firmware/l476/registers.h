/* STM32L476xG: what it has otherwise than a G0B1xE. RM0351, and the CMSIS header. */
#pragma once
#include "l4_g0.h"

#define IDCODE REGISTER(0xE0042000u)

/* FB_MODE: bank 2 at the base */
#define SYSCFG_MEMRMP REGISTER(0x40010000u)
#define IS_MAPPED_OTHERWISE (SYSCFG_MEMRMP & 1u << 8)

#define FLASH_SIZE 0x100000u
#define FLASH_BANK_SIZE 0x80000u

#define FLASH_ACR_CACHES 0x700u       /* PRFTEN, ICEN, DCEN */
#define FLASH_ACR_RESET_CACHES 0x1800u /* ICRST, DCRST: only while the caches are off */
#define FLASH_SR_BSY (1u << 16)
#define FLASH_CR_BKER (1u << 11)

#define flash_forget_unreadable() (FLASH_ECCR = FLASH_ECCR | FLASH_ECCR_FLAGS)

/* STM32G0B1xE: what it has otherwise than an L476xG. RM0444, and the CMSIS header. */
#pragma once
#include "l4_g0.h"

#define IDCODE REGISTER(0x40015800u)

/* nSWAP_BANK clear: bank 2 at the base; DUAL_BANK clear: one bank, whose pages count on */
#define FLASH_OPTR REGISTER(0x40022020u)
#define IS_MAPPED_OTHERWISE (~FLASH_OPTR & 3u << 20)

#define FLASH_SIZE 0x80000u
#define FLASH_BANK_SIZE 0x40000u

#define FLASH_ECC2R REGISTER(0x4002201Cu) /* of bank 2 */
#define FLASH_ACR_CACHES 0x300u      /* PRFTEN, ICEN */
#define FLASH_ACR_RESET_CACHES 0x800u /* ICRST: only while the cache is off */
#define FLASH_SR_BSY (7u << 16) /* BSY1, BSY2, CFGBSY */
#define FLASH_CR_BKER (1u << 13)

#define flash_forget_unreadable() \
    (FLASH_ECCR = FLASH_ECCR | FLASH_ECCR_FLAGS, FLASH_ECC2R = FLASH_ECC2R | FLASH_ECCR_FLAGS)

/* Flash of an STM32U575 without TrustZone (RM0456): quad-words with ECC. */
#pragma once
#include "boot.h"

#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_SR REGISTER(0x40022020u)
#define FLASH_CR REGISTER(0x40022028u)
#define FLASH_ECCR REGISTER(0x40022030u)
#define FLASH_OPTR REGISTER(0x40022040u)
#define SWAP_BANK (1u << 20) /* of FLASH_OPTR */
#define BKER (1u << 11)
#define BANK 0x100000u
#define PAGE 8192u
#define UNIT 16u
#define ERRORS 0xC3FAu

static volatile bool unreadable;

void nmi(void)
{
    FLASH_ECCR |= 1u << 31;
    unreadable = true;
}

static inline void unlock(void)
{
    if (FLASH_CR & (1u << 31)) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
}

static inline bool finish(void)
{
    while (FLASH_SR & (1u << 16)) {
    }
    FLASH_CR = 0u;
    return (FLASH_SR & ERRORS) == 0u;
}

static inline bool erase_page(uint32_t page, uint32_t bank) /* number within its bank; 0 or BKER */
{
    unlock();
    FLASH_SR = ERRORS;
    FLASH_CR = page << 3 | bank | 2u;
    FLASH_CR = page << 3 | bank | 2u | 1u << 16;
    return finish();
}

static inline bool program(uint32_t address, const uint32_t *words)
{
    unlock();
    FLASH_SR = ERRORS;
    FLASH_CR = 1u;
    for (uint32_t at = 0u; at < UNIT; at += 4u) {
        REGISTER(address + at) = words[at / 4u];
    }
    return finish();
}

static inline bool is(uint32_t address, const uint32_t *words)
{
    bool same = true;

    unreadable = false;
    for (uint32_t at = 0u; at < UNIT; at += 4u) {
        same &= REGISTER(address + at) == words[at / 4u];
    }
    after_the_reads();
    return same && !unreadable;
}

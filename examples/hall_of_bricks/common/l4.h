/*
 * Flash of an STM32L476 (RM0351), and with -DSTM32G0 of an STM32G0B1 (RM0444): double words with
 * ECC. A double word is programmed once after an erase; all zeros may be programmed at any time.
 */
#pragma once
#include "boot.h"

#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_OPTKEYR REGISTER(0x4002200Cu)
#define FLASH_SR REGISTER(0x40022010u)
#define FLASH_CR REGISTER(0x40022014u)
#define FLASH_ECCR REGISTER(0x40022018u)
#define FLASH_OPTR REGISTER(0x40022020u)
#define PAGE 2048u
#define UNIT 8u
#define ERRORS 0xC3FAu

#ifdef STM32G0
#define BANK 0x40000u
#define BKER (1u << 13)
#else
#define BANK 0x80000u
#define BKER (1u << 11)
#endif

static volatile bool unreadable;

#ifndef OWN_NMI
void nmi(void) /* what was read is no good: the flag is cleared, or the NMI would come for ever */
{
    FLASH_ECCR |= 1u << 31;
    unreadable = true;
}
#endif

static inline void unlock(void)
{
    if (FLASH_CR & (1u << 31)) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
}

static inline bool finish(void)
{
    while (FLASH_SR & (3u << 16)) { /* BSY; on G0 BSY1 and BSY2 */
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

static inline bool erase(uint32_t address) /* where the banks are not swapped */
{
    uint32_t offset = address - 0x08000000u;

    return erase_page(offset % BANK / PAGE, offset < BANK ? 0u : BKER);
}

static inline bool program(uint32_t address, uint32_t low, uint32_t high)
{
    unlock();
    FLASH_SR = ERRORS;
    FLASH_CR = 1u;
    REGISTER(address) = low;
    REGISTER(address + 4u) = high;
    return finish();
}

static inline bool is(uint32_t address, uint32_t low, uint32_t high)
{
    unreadable = false;
    bool same = REGISTER(address) == low && REGISTER(address + 4u) == high;
    after_the_reads();
    return same && !unreadable;
}

static inline bool is_blank(uint32_t address, uint32_t size)
{
    for (uint32_t at = 0u; at < size; at += UNIT) {
        if (!is(address + at, ~0u, ~0u)) {
            return false;
        }
    }
    return true;
}

static inline bool copy(uint32_t to, uint32_t from, uint32_t size) /* onto what is erased */
{
    bool good = true;

    for (uint32_t at = 0u; at < size; at += UNIT) {
        good &= program(to + at, REGISTER(from + at), REGISTER(from + at + 4u));
    }
    return good;
}

/* A mark of zeros can be programmed again: what a cut has left weak of it is firm after that. */
static inline bool set(uint32_t mark)
{
    return program(mark, 0u, 0u);
}

static inline bool is_set(uint32_t mark)
{
    return is(mark, 0u, 0u);
}

/* Flash of an STM32H563 without TrustZone (RM0481): quad-words with ECC, option bytes that no cut can tear. */
#pragma once
#include "boot.h"

#define FLASH_KEYR REGISTER(0x40022004u)
#define FLASH_OPTKEYR REGISTER(0x4002200Cu)
#define FLASH_OPTCR REGISTER(0x4002201Cu)
#define FLASH_SR REGISTER(0x40022020u)
#define FLASH_CR REGISTER(0x40022028u)
#define FLASH_CCR REGISTER(0x40022030u)
#define FLASH_OPTSR_CUR REGISTER(0x40022050u)
#define FLASH_OPTSR_PRG REGISTER(0x40022054u)
#define FLASH_ECCDETR REGISTER(0x40022104u)
#define SWAP_BANK (1u << 31) /* of FLASH_OPTSR */
#define BKSEL (1u << 31)     /* a physical bank, whatever is mapped */
#define SECTOR 8192u
#define UNIT 16u

static volatile bool unreadable;

void nmi(void)
{
    FLASH_ECCDETR = 1u << 31;
    unreadable = true;
}

static inline void unlock(void)
{
    if (FLASH_CR & 1u) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
}

static inline void finish(void)
{
    while (FLASH_SR & 3u) { /* BSY, WBNE */
    }
    FLASH_CR = 0u;
}

static inline void erase_sector(uint32_t sector, uint32_t bank) /* number within its bank; 0 or BKSEL */
{
    unlock();
    FLASH_CCR = 0x00FF0000u;
    FLASH_CR = sector << 6 | bank | 4u;
    FLASH_CR = sector << 6 | bank | 4u | 1u << 5;
    finish();
}

static inline void program(uint32_t address, uint32_t from)
{
    unlock();
    FLASH_CCR = 0x00FF0000u;
    FLASH_CR = 2u;
    for (uint32_t at = 0u; at < UNIT; at += 4u) {
        REGISTER(address + at) = REGISTER(from + at);
    }
    finish();
}

static inline void program_swap(void) /* takes effect at the next reset */
{
    FLASH_OPTKEYR = 0x08192A3Bu;
    FLASH_OPTKEYR = 0x4C5D6E7Fu;
    FLASH_OPTSR_PRG |= SWAP_BANK;
    FLASH_OPTCR |= 2u;
    while (FLASH_SR & 1u) {
    }
}

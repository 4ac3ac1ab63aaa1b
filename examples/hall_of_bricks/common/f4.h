/* Flash of an STM32F407 (RM0090): words without ECC; programming again clears more bits. */
#pragma once
#include "boot.h"

#define FLASH_KEYR REGISTER(0x40023C04u)
#define FLASH_SR REGISTER(0x40023C0Cu)
#define FLASH_CR REGISTER(0x40023C10u)

void nmi(void)
{
}

static inline void unlock(void)
{
    if (FLASH_CR & (1u << 31)) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
}

static inline void finish(void)
{
    while (FLASH_SR & (1u << 16)) {
    }
    FLASH_CR = 0u;
}

static inline void erase_sector(uint32_t sector)
{
    unlock();
    FLASH_SR = 0xF2u;
    FLASH_CR = 2u << 8 | sector << 3 | 2u;
    FLASH_CR = 2u << 8 | sector << 3 | 2u | 1u << 16;
    finish();
}

static inline void program(uint32_t address, uint32_t word)
{
    unlock();
    FLASH_SR = 0xF2u;
    FLASH_CR = 2u << 8 | 1u;
    REGISTER(address) = word;
    finish();
}

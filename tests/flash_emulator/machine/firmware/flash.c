#include "flash.h"
#include "chip.h"

static volatile bool was_unreadable;

/* The ECC raises it for a double error: the flag is cleared, or it would be raised for ever. */
void nmi(void)
{
    FLASH_ECCR = FLASH_ECCR | FLASH_ECCR_ECCD;
    was_unreadable = true;
}

void flash_open(void)
{
    FLASH_ACR = FLASH_ACR & ~FLASH_ACR_CACHES; /* they would keep what was erased */
    FLASH_SR = FLASH_SR_ERRORS;
}

bool flash_read(uint32_t address, uint32_t unit[2])
{
    const volatile uint32_t *from = (const volatile uint32_t *)address;

    was_unreadable = false;
    unit[0] = from[0];
    unit[1] = from[1];
    __asm volatile("dsb\n\tisb" ::: "memory"); /* the NMI comes before the flag is looked at */
    return !was_unreadable;
}

static void unlock(void)
{
    while (FLASH_SR & FLASH_SR_BSY) {
    }
    FLASH_SR = FLASH_SR_ERRORS;
    if (FLASH_CR & FLASH_CR_LOCK) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
}

static bool finish(void)
{
    while (FLASH_SR & FLASH_SR_BSY) {
    }
    FLASH_CR = 0u;
    return (FLASH_SR & FLASH_SR_ERRORS) == 0u;
}

bool flash_erase(uint32_t address)
{
    uint32_t offset = address - FLASH_BASE;
    uint32_t bank = offset < BANK_SIZE ? 0u : FLASH_CR_BKER;
    uint32_t page = offset % BANK_SIZE / PAGE_SIZE << FLASH_CR_PNB_SHIFT;

    unlock();
    FLASH_CR = FLASH_CR_PER | page | bank;
    FLASH_CR = FLASH_CR_PER | page | bank | FLASH_CR_STRT;
    return finish();
}

bool flash_program(uint32_t address, const uint32_t unit[2])
{
    volatile uint32_t *to = (volatile uint32_t *)address;

    unlock();
    FLASH_CR = FLASH_CR_PG;
    to[0] = unit[0];
    to[1] = unit[1];
    return finish();
}

#ifndef STM32G0
void flash_boot_from_bank_2(void)
{
    unlock();
    FLASH_OPTKEYR = 0x08192A3Bu;
    FLASH_OPTKEYR = 0x4C5D6E7Fu;
    FLASH_OPTR = FLASH_OPTR | FLASH_OPTR_BFB2;
    FLASH_CR = FLASH_CR_OPTSTRT;
    while (FLASH_SR & FLASH_SR_BSY) {
    }
    FLASH_CR = FLASH_CR_OBL_LAUNCH;
}
#endif

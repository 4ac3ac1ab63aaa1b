#include "flash.h"
#include "chip.h"
#include "crc32.h"
#include "line.h"

#define BLANK 0xFFFFFFFFu

static uint32_t acr;
static volatile bool met_unreadable;

void flash_open(void)
{
    acr = FLASH_ACR;
    FLASH_ACR = acr & ~FLASH_ACR_CACHES;
    FLASH_ACR = (acr & ~FLASH_ACR_CACHES) | FLASH_ACR_RESET_CACHES;
    FLASH_ACR = acr & ~FLASH_ACR_CACHES;
}

void flash_close(void)
{
    FLASH_ACR = acr;
}

void flash_note_unreadable(void)
{
    FLASH_ECCR = FLASH_ECCR | FLASH_ECCR_FLAGS;
    met_unreadable = true;
}

static uint32_t finish(void)
{
    while (FLASH_SR & FLASH_SR_BSY) {
        line_wait();
    }
    return FLASH_SR & FLASH_SR_ERRORS;
}

/* Flash must be idle and its flags clear, or the next operation is refused (PGSERR). */
static void unlock(void)
{
    finish();
    FLASH_SR = FLASH_SR_ERRORS;
    if (FLASH_CR & FLASH_CR_LOCK) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
}

static void lock(void)
{
    FLASH_CR = 0u;
    FLASH_CR = FLASH_CR_LOCK;
}

uint32_t flash_erase(uint32_t address, bool is_everything)
{
    uint32_t offset = address - FLASH_BASE;
    uint32_t bank = offset < FLASH_BANK_SIZE ? 0u : FLASH_CR_BKER;
    uint32_t page = offset % FLASH_BANK_SIZE / PAGE_SIZE << FLASH_CR_PNB_SHIFT;
    uint32_t what = is_everything ? FLASH_CR_MER1 | FLASH_CR_MER2 : FLASH_CR_PER | page | bank;

    unlock();
    FLASH_CR = what;
    FLASH_CR = what | FLASH_CR_STRT;
    uint32_t errors = finish();
    lock();
    return errors;
}

uint32_t flash_program(uint32_t address, const uint32_t *words, uint32_t count)
{
    volatile uint32_t *to = (volatile uint32_t *)address;
    uint32_t errors = 0u;

    unlock();
    FLASH_CR = FLASH_CR_PG;
    for (uint32_t i = 0u; i < count && errors == 0u; i += 2u) {
        line_poll();
        if (words[i] == BLANK && words[i + 1u] == BLANK) {
            continue;
        }
        to[i] = words[i];
        to[i + 1u] = words[i + 1u];
        errors = finish();
    }
    lock();
    return errors;
}

bool flash_holds(uint32_t address, const uint32_t *words, uint32_t count)
{
    volatile uint32_t *from = (volatile uint32_t *)address;
    bool is_same = true;

    met_unreadable = false;
    for (uint32_t i = 0u; i < count; i++) {
        is_same &= from[i] == (words ? words[i] : BLANK);
        line_poll();
    }
    return is_same && !met_unreadable;
}

uint32_t flash_crc(uint32_t address, uint32_t size, bool *is_readable)
{
    met_unreadable = false;
    uint32_t crc = 0u;
    for (uint32_t at = 0u; at < size; at += PAGE_SIZE) {
        uint32_t left = size - at;
        crc = crc32(crc, (const uint8_t *)(address + at), left < PAGE_SIZE ? left : PAGE_SIZE);
        IWDG_KR = IWDG_REFRESH;
    }
    *is_readable = !met_unreadable;
    return crc;
}

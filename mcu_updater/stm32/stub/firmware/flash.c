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
    flash_forget_unreadable();
    met_unreadable = true;
}

uint32_t flash_finish(void)
{
    while (FLASH_SR & FLASH_SR_BSY) {
        line_wait();
    }
    return FLASH_SR & FLASH_SR_ERRORS;
}

void flash_unlock(void)
{
    line_poll();
    flash_finish();
    FLASH_SR = FLASH_SR_ERRORS;
    if (FLASH_CR & FLASH_CR_LOCK) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
}

void flash_lock(void)
{
    FLASH_CR = 0u;
    FLASH_CR = FLASH_CR_LOCK;
}

uint32_t flash_start(uint32_t control)
{
    flash_unlock();
    FLASH_CR = control;
    FLASH_CR = control | FLASH_CR_STRT;
    uint32_t errors = flash_finish();
    flash_lock();
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
        if (i % (BLOCK_SIZE / 4u) == 0u) {
            IWDG_KR = IWDG_REFRESH;
        }
    }
    return is_same && !met_unreadable;
}

uint32_t flash_crc(uint32_t address, uint32_t size, bool *is_readable)
{
    met_unreadable = false;
    uint32_t crc = 0u;
    for (uint32_t at = 0u; at < size; at += BLOCK_SIZE) {
        uint32_t left = size - at;
        crc = crc32(crc, (const uint8_t *)(address + at), left < BLOCK_SIZE ? left : BLOCK_SIZE);
        IWDG_KR = IWDG_REFRESH;
    }
    *is_readable = !met_unreadable;
    return crc;
}

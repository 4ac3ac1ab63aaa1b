/* Two banks of pages, double words with ECC: L4 and G0. RM0351 3.3, RM0444 3.3. */
#include "chip.h"
#include "flash.h"
#include "line.h"

#define BLANK 0xFFFFFFFFu

uint32_t flash_sector_size(uint32_t address)
{
    return address % FLASH_PAGE_SIZE == 0u ? FLASH_PAGE_SIZE : 0u;
}

bool flash_has_bulk(uint32_t bulk)
{
    return bulk >= FIRST_BULK;
}

uint32_t flash_erase(uint32_t address)
{
    uint32_t offset = address - FLASH_BASE;
    uint32_t bank = offset < FLASH_BANK_SIZE ? 0u : FLASH_CR_BKER;
    uint32_t page = offset % FLASH_BANK_SIZE / FLASH_PAGE_SIZE;

    return flash_start(FLASH_CR_PER | page << FLASH_CR_PNB_SHIFT | bank);
}

uint32_t flash_erase_bulk(uint32_t bulk)
{
    uint32_t first = bulk == BULK_BANK_2 ? 0u : FLASH_CR_MER1;
    uint32_t second = bulk == BULK_BANK_1 ? 0u : FLASH_CR_MER2;

    return flash_start(first | second);
}

uint32_t flash_program(uint32_t address, const uint32_t *words, uint32_t count)
{
    volatile uint32_t *to = (volatile uint32_t *)address;
    uint32_t errors = 0u;

    flash_unlock();
    FLASH_CR = FLASH_CR_PG;
    for (uint32_t i = 0u; i < count && errors == 0u; i += 2u) {
        line_poll();
        if (words[i] == BLANK && words[i + 1u] == BLANK) {
            continue;
        }
        to[i] = words[i];
        to[i + 1u] = words[i + 1u];
        errors = flash_finish();
    }
    flash_lock();
    return errors;
}

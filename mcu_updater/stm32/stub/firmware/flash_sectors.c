/* One bank of 4 sectors of 16 KiB, one of 64, then 128: F4. RM0090 3.6. */
#include "chip.h"
#include "flash.h"
#include "line.h"

#define KIB 1024u
#define SMALL_SECTORS 4u
#define LARGE_SIZE (128u * KIB)

uint32_t flash_sector_size(uint32_t address)
{
    uint32_t offset = address - FLASH_BASE;

    if (offset < 64u * KIB) {
        return offset % (16u * KIB) == 0u ? 16u * KIB : 0u;
    }
    if (offset < LARGE_SIZE) {
        return offset == 64u * KIB ? 64u * KIB : 0u;
    }
    return offset % LARGE_SIZE == 0u ? LARGE_SIZE : 0u;
}

bool flash_has_bulk(uint32_t bulk)
{
    return bulk == BULK_EVERYTHING;
}

uint32_t flash_erase(uint32_t address)
{
    uint32_t offset = address - FLASH_BASE;
    uint32_t number = offset < 64u * KIB   ? offset / (16u * KIB)
                      : offset < LARGE_SIZE ? SMALL_SECTORS
                                            : SMALL_SECTORS + offset / LARGE_SIZE;

    return flash_start(FLASH_CR_SER | number << FLASH_CR_SNB_SHIFT);
}

uint32_t flash_erase_bulk(uint32_t bulk)
{
    (void)bulk;
    return flash_start(FLASH_CR_MER);
}

uint32_t flash_program(uint32_t address, const uint32_t *words, uint32_t count)
{
    volatile uint8_t *to = (volatile uint8_t *)address;
    const uint8_t *bytes = (const uint8_t *)words;
    uint32_t errors = 0u;

    flash_unlock();
    FLASH_CR = FLASH_CR_PG;
    for (uint32_t i = 0u; i < 4u * count && errors == 0u; i++) {
        line_poll();
        if (bytes[i] != 0xFFu) {
            to[i] = bytes[i];
            errors = flash_finish();
        }
    }
    flash_lock();
    return errors;
}

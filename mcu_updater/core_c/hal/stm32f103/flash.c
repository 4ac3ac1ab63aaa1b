/* Flash of an STM32F103: half-words and pages. There is no ECC: a unit that a cut has left half done is
 * read as it is, and digests tell. PM0075, chapter 3. */
#include <string.h>

#include "chip.h"
#include "fwu_board.h"
#include "fwu_hal.h"

/* Offset of the registers that serve address: XL parts, of more than 512 KiB, have two sets. */
static uint32_t set_of(uint32_t address)
{
#if FWU_FLASH_END > FLASH_BANK_2
    return address >= FLASH_BANK_2 ? FLASH_SET_2 : 0u;
#else
    (void)address;
    return 0u;
#endif
}

bool fwu_hal_read(uint32_t address, uint8_t *data, uint32_t size)
{
    memcpy(data, (const void *)(uintptr_t)address, size);
    return true;
}

static void unlock(uint32_t set)
{
    if ((FLASH_CR(set) & FLASH_CR_LOCK) != 0u) {
        FLASH_KEYR(set) = FLASH_KEY_1;
        FLASH_KEYR(set) = FLASH_KEY_2;
    }
}

/* Wait until flash is not busy. False where it has found a fault. */
BUSY_CODE static bool finish(uint32_t set)
{
    uint32_t status;

    do {
        status = FLASH_SR(set);
    } while ((status & FLASH_SR_BSY) != 0u);
    FLASH_SR(set) = FLASH_SR_EOP | FLASH_SR_PGERR | FLASH_SR_WRPRTERR; /* a 1 clears it */
    return (status & (FLASH_SR_PGERR | FLASH_SR_WRPRTERR)) == 0u;
}

BUSY_CODE static bool program_unit(uint32_t set, uint32_t address, uint16_t half_word)
{
    bool done;

    FLASH_CR(set) = FLASH_CR_PG;
    REGISTER_16(address) = half_word;
    done = finish(set);
    FLASH_CR(set) = 0u;
    return done;
}

BUSY_CODE static bool erase_page(uint32_t set, uint32_t address)
{
    bool done;

    FLASH_CR(set) = FLASH_CR_PER;
    FLASH_AR(set) = address;
    FLASH_CR(set) = FLASH_CR_PER | FLASH_CR_STRT;
    done = finish(set);
    FLASH_CR(set) = 0u;
    return done;
}

bool fwu_hal_program(uint32_t address, const uint8_t *data, uint32_t size)
{
    bool done = true;

    fwu_board_feed_watchdog();
    for (uint32_t at = 0u; at < size && done; at += FWU_PROGRAM_UNIT) {
        uint32_t set = set_of(address + at);

        unlock(set);
        done = program_unit(set, address + at, (uint16_t)(data[at] | data[at + 1u] << 8));
        FLASH_CR(set) = FLASH_CR_LOCK;
    }
    return done;
}

bool fwu_hal_erase(uint32_t address)
{
    uint32_t set = set_of(address);
    bool done;

    unlock(set);
    fwu_board_feed_watchdog();
    done = erase_page(set, address);
    FLASH_CR(set) = FLASH_CR_LOCK;
    return done;
}

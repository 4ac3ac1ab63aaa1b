/* Flash of L4 and U5: reads that survive a double ECC error, program units of whole words, pages.
 * Caches of data stay off: what is read is then what flash holds. RM0351 3.3, RM0456 7.3. */
#include <string.h>

#include "chip.h"
#include "fwu_board.h"
#include "fwu_hal.h"

#define PAGE_SIZE FWU_MAX_SLOT_SECTOR /* all pages are alike */

static volatile bool reads;  /* an NMI is expected */
static volatile bool failed; /* and has come */

void nmi_handler(void);
void nmi_handler(void)
{
    if (!reads || (FLASH_ECCR & FLASH_ECCR_ECCD) == 0u) {
        cortex_m_reset(); /* code that cannot be read, or another cause of an NMI */
    }
    FLASH_ECCR |= FLASH_ECCR_ECCD;
    failed = true;
}

/* "A new read at the failing address may not generate an ECC error" while its data are in the buffer
 * (RM0351 3.3.2). So another unit is read. */
static void leave_buffer(void)
{
    (void)REGISTER(FWU_FLASH_BASE);
}

bool fwu_hal_read(uint32_t address, uint8_t *data, uint32_t size)
{
    failed = false;
    reads = true;
    barrier();
    memcpy(data, (const void *)(uintptr_t)address, size);
    barrier(); /* the NMI comes before the flag is looked at */
    reads = false;
    if (failed) {
        leave_buffer();
    }
    return !failed;
}

static void unlock(void)
{
    if ((FLASH_CR & FLASH_CR_LOCK) != 0u) {
        FLASH_KEYR = FLASH_KEY_1;
        FLASH_KEYR = FLASH_KEY_2;
    }
    FLASH_SR = FLASH_SR_ERRORS; /* a flag that is left from before would refuse what comes now */
}

/* Wait until flash is not busy. False where it has found a fault. */
BUSY_CODE static bool finish(void)
{
    while ((FLASH_SR & FLASH_SR_BSY) != 0u) {
    }
    return (FLASH_SR & FLASH_SR_ERRORS) == 0u;
}

#define UNIT_WORDS (FWU_PROGRAM_UNIT / 4u)

/* Its last word begins it. */
BUSY_CODE static bool program_unit(uint32_t address, const uint32_t words[UNIT_WORDS])
{
    bool done;

    FLASH_CR = FLASH_CR_PG;
    for (uint32_t index = 0u; index < UNIT_WORDS; index++) {
        REGISTER(address + 4u * index) = words[index];
    }
    done = finish();
    FLASH_CR = 0u;
    return done;
}

BUSY_CODE static bool erase_page(uint32_t page)
{
    bool done;

    FLASH_CR = page | FLASH_CR_PER;
    FLASH_CR = page | FLASH_CR_PER | FLASH_CR_STRT;
    done = finish();
    FLASH_CR = 0u;
    return done;
}

bool fwu_hal_program(uint32_t address, const uint8_t *data, uint32_t size)
{
    uint32_t words[UNIT_WORDS];
    bool done = true;

    unlock();
    fwu_board_feed_watchdog();
    for (uint32_t at = 0u; at < size && done; at += FWU_PROGRAM_UNIT) {
        memcpy(words, data + at, sizeof words);
        done = program_unit(address + at, words);
    }
    FLASH_CR = FLASH_CR_LOCK;
    return done;
}

static bool banks_are_exchanged(void)
{
#if FWU_STRATEGY == FWU_STRATEGY_COPY
    return false;
#else
    return fwu_hal_mapped_bank() != 0u;
#endif
}

bool fwu_hal_erase(uint32_t address)
{
    uint32_t offset = address - FWU_FLASH_BASE;
    uint32_t page = (offset % FWU_BANK_SIZE / PAGE_SIZE) << FLASH_CR_PNB_SHIFT;
    bool done;

    /* BKER names the physical bank, wherever that is seen now */
    if ((offset >= FWU_BANK_SIZE) != banks_are_exchanged()) {
        page |= FLASH_CR_BKER;
    }
    unlock();
    fwu_board_feed_watchdog();
    done = erase_page(page);
    FLASH_CR = FLASH_CR_LOCK;
    return done;
}

/* Option SWAP_BANK of an STM32U575, and what the bootloader keeps over the resets that it takes: in a
 * backup register, which counts only where the reset flags say that it was such a reset. */
#include "swap.h"

#include "chip.h"
#include "fwu_hal.h"

#if FWU_STRATEGY == FWU_STRATEGY_SWAP

#define KEPT_MARK 0xF7550000u
#define KEPT_MARK_BITS 0xFFFF0000u

static uint8_t mapped; /* what SWAP_BANK said when the options were loaded */
static bool options_changed;
static uint32_t kept;

static void open_backup(void)
{
    RCC_AHB3ENR |= RCC_AHB3ENR_PWREN;
    RCC_APB3ENR |= RCC_APB3ENR_RTCAPBEN;
    (void)RCC_APB3ENR;
    PWR_DBPR |= PWR_DBPR_DBP;
}

void swap_begin(uint32_t reset_flags)
{
    const uint32_t others = RCC_CSR_POWER | RCC_CSR_IWDGRSTF | RCC_CSR_WWDGRSTF;

    mapped = (FLASH_OPTR & FLASH_OPTR_SWAP_BANK) != 0u ? 1u : 0u;
    open_backup();
    if ((TAMP_BKP31R & KEPT_MARK_BITS) == KEPT_MARK && (reset_flags & others) == 0u) {
        kept = TAMP_BKP31R;
    }
    TAMP_BKP31R = 0u; /* it counts once: a reset that comes later is somebody else's */
}

uint8_t fwu_hal_swaps(void)
{
    return (uint8_t)(kept >> 8u);
}

enum fwu_cause swap_cause(void)
{
    return (enum fwu_cause)(kept & 0xFFu);
}

void fwu_hal_keep(uint8_t swaps, enum fwu_cause cause)
{
    TAMP_BKP31R = KEPT_MARK | (uint32_t)swaps << 8u | (uint32_t)cause;
}

uint8_t fwu_hal_mapped_bank(void)
{
    return mapped;
}

static bool program_options(uint32_t value)
{
    bool done;

    FLASH_KEYR = FLASH_KEY_1;
    FLASH_KEYR = FLASH_KEY_2;
    FLASH_OPTKEYR = FLASH_OPTKEY_1;
    FLASH_OPTKEYR = FLASH_OPTKEY_2;
    FLASH_SR = FLASH_SR_ERRORS;
    FLASH_OPTR = value;
    FLASH_CR = FLASH_CR_OPTSTRT;
    while ((FLASH_SR & FLASH_SR_BSY) != 0u) {
    }
    done = (FLASH_SR & FLASH_SR_ERRORS) == 0u;
    FLASH_CR = FLASH_CR_LOCK | FLASH_CR_OPTLOCK;
    return done;
}

bool fwu_hal_map_bank(uint8_t bank)
{
    uint32_t swap = bank != 0u ? FLASH_OPTR_SWAP_BANK : 0u;

    if (bank == mapped) {
        return true;
    }
    if (!cortex_m_other_bank_begins_alike()) {
        return false; /* nothing would start there */
    }
    options_changed = program_options((FLASH_OPTR & ~FLASH_OPTR_SWAP_BANK) | swap);
    return options_changed;
}

/* Options count when they are loaded: that is a reset, and an ordinary one does not do it. */
void fwu_hal_reset(void)
{
    if (options_changed) {
        FLASH_KEYR = FLASH_KEY_1;
        FLASH_KEYR = FLASH_KEY_2;
        FLASH_OPTKEYR = FLASH_OPTKEY_1;
        FLASH_OPTKEYR = FLASH_OPTKEY_2;
        FLASH_CR = FLASH_CR_OBL_LAUNCH;
        barrier();
    }
    cortex_m_reset();
}

#endif

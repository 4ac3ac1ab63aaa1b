/* Banks of an STM32L476: FB_MODE, RM0351 9.2.1. */
#include "chip.h"
#include "fwu_hal.h"

#if FWU_STRATEGY != FWU_STRATEGY_COPY

uint8_t fwu_hal_mapped_bank(void)
{
    return (SYSCFG_MEMRMP & SYSCFG_MEMRMP_FB_MODE) != 0u ? 1u : 0u;
}

/* From RAM: what is at this address in flash is another bank's afterwards. The cache holds the old one's. */
RAM_CODE static void remap(uint32_t mode)
{
    uint32_t access = FLASH_ACR & ~(FLASH_ACR_ICEN | FLASH_ACR_DCEN | FLASH_ACR_PRFTEN);

    FLASH_ACR = access;
    FLASH_ACR = access | FLASH_ACR_ICRST | FLASH_ACR_DCRST;
    SYSCFG_MEMRMP = mode;
    barrier();
    FLASH_ACR = access;
    FLASH_ACR = access | FLASH_ACR_ICEN | FLASH_ACR_PRFTEN;
    barrier();
}

bool fwu_hal_map_bank(uint8_t bank)
{
    if (bank != fwu_hal_mapped_bank() && !cortex_m_other_bank_begins_alike()) {
        return false; /* there would be no code to return to */
    }
    remap(bank != 0u ? SYSCFG_MEMRMP_FB_MODE : 0u);
    return bank == fwu_hal_mapped_bank();
}

#endif

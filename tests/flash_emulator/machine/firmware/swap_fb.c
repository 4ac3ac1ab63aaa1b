/*
 * Starts the image of the other bank by FB_MODE, once a copy of it there is complete.
 *
 * As copy_restart.c, but that SLOT is in bank 2 (0x0808_8000) and STAGED behind it (0x080C_0000).
 * Images are linked for 0x0800_8000, where FB_MODE shows that slot. Without a request the image of
 * bank 1 is started.
 */
#include "copy.h"
#include "image.h"

#define SEEN_AT (SLOT - BANK_SIZE)

static const volatile uint32_t *const slot = (const volatile uint32_t *)SEEN_AT;

/* In RAM: at the next instruction this bootloader is not where it was. */
__attribute__((section(".ramfunc"), noinline, noreturn, long_call)) static void exchange(void)
{
    SYSCFG_MEMRMP = SYSCFG_MEMRMP | SYSCFG_MEMRMP_FB_MODE;
    __asm volatile("dsb\n\tisb" ::: "memory");
    SCB_VTOR = SEEN_AT;
    __asm volatile("dsb\n\tmsr msp, %0\n\tbx %1" ::"r"(slot[0]), "r"(slot[1]));
    __builtin_unreachable();
}

void start_slot(uint32_t size)
{
    if (size == 0u) {
        image_start(SEEN_AT);
        return;
    }
    RCC_APB2ENR |= RCC_APB2ENR_SYSCFGEN;
    exchange();
}

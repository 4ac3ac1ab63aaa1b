#include "cortex_m.h"

#include <string.h>

#include "fwu_hal.h"

static uint32_t noted_bank KEPT; /* at the same place in both programs */

void cortex_m_note_bank(uint8_t bank)
{
    noted_bank = bank;
}

uint8_t cortex_m_noted_bank(void)
{
    return (uint8_t)(noted_bank & 1u);
}

void cortex_m_start(uint32_t address)
{
    uint32_t stack = REGISTER(address);
    uint32_t entry = REGISTER(address + 4u);

    SYST_CSR = 0u;
    SCB_VTOR = address;
    barrier();
    /* in one statement: behind the new stack pointer nothing of this function is there any more */
    __asm__ volatile("msr msp, %0\n\tbx %1" : : "r"(stack), "r"(entry) : "memory");
    for (;;) {
    }
}

void cortex_m_reset(void)
{
    barrier();
    SCB_AIRCR = SCB_AIRCR_SYSRESETREQ;
    barrier();
    for (;;) {
    }
}

static void count_down(uint32_t cycles, uint32_t control)
{
    SYST_CSR = 0u;
    SYST_RVR = cycles - 1u; /* 24 bits */
    SYST_CVR = 0u;
    SYST_CSR = control | SYST_CSR_CLKSOURCE | SYST_CSR_ENABLE;
}

void cortex_m_pause(uint32_t clock_hz, uint32_t tenths)
{
    count_down(clock_hz / 10u, 0u);
    while (tenths > 0u) {
        if ((SYST_CSR & SYST_CSR_COUNTFLAG) != 0u) {
            tenths--;
        }
    }
    SYST_CSR = 0u;
}

extern const uint8_t fwu_image_start[], fwu_image_end[];

bool cortex_m_other_bank_begins_alike(void)
{
    uint32_t size = (uint32_t)(fwu_image_end - fwu_image_start);
    uint8_t other[32];

    for (uint32_t at = 0u; at < size; at += sizeof other) {
        if (!fwu_hal_read(FWU_FLASH_BASE + FWU_BANK_SIZE + at, other, sizeof other) ||
            memcmp(other, fwu_image_start + at, sizeof other) != 0) {
            return false;
        }
    }
    return true;
}

#ifndef FWU_BOOTLOADER

static volatile uint32_t now_ms;

RAM_CODE void systick_interrupt(void);
RAM_CODE void systick_interrupt(void)
{
    now_ms += TICK_MS;
}

void cortex_m_start_ticks(uint32_t clock_hz)
{
    count_down(clock_hz / 1000u * TICK_MS, SYST_CSR_TICKINT);
}

uint32_t fwu_hal_now_ms(void)
{
    return now_ms;
}

#endif

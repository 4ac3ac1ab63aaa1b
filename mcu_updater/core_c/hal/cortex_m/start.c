/* From reset to main(), and the vector table: the only files with names of the linker script in them are
 * this one and the HAL's. */
#include "chip.h"
#include "cortex_m.h"

typedef void (*handler)(void);

extern uint32_t fwu_stack_top[];
extern uint32_t fwu_data_start[], fwu_data_end[], fwu_data_load[], fwu_bss_start[], fwu_bss_end[];

int main(void);

void reset_handler(void);
void reset_handler(void)
{
    const uint32_t *from = fwu_data_load;

    for (uint32_t *to = fwu_data_start; to != fwu_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = fwu_bss_start; to != fwu_bss_end;) {
        *to++ = 0u;
    }
    (void)main();
    for (;;) {
    }
}

/* A fault is the end of this start. On trial that costs an attempt, so a reset is better than waiting for
 * the watchdog. */
static void fault(void)
{
    cortex_m_reset();
}

void nmi_handler(void) __attribute__((weak, alias("fault")));

#ifdef FWU_BOOTLOADER
#define VECTORS 16u
#else
#define VECTORS (16u + SERIAL_IRQ + 1u)
void systick_interrupt(void);
void serial_interrupt(void);
#endif

static const handler vectors[VECTORS] __attribute__((section(".vectors"), used)) = {
    [0] = (handler)(uintptr_t)fwu_stack_top,
    [1] = reset_handler,
    [2] = nmi_handler,
    [3] = fault, /* HardFault; the others are not enabled and come here, too */
    [4] = fault,
    [5] = fault,
    [6] = fault,
#ifndef FWU_BOOTLOADER
    [15] = systick_interrupt,
    [16u + SERIAL_IRQ] = serial_interrupt,
#endif
};

#ifndef FWU_BOOTLOADER

/* Aligned to a power of two that is not below its size: VTOR asks for that. */
static handler ram_vectors[VECTORS] __attribute__((aligned(512)));

void cortex_m_vectors_to_ram(void)
{
    for (uint32_t index = 0u; index < VECTORS; index++) {
        ram_vectors[index] = vectors[index];
    }
    SCB_VTOR = (uint32_t)(uintptr_t)ram_vectors;
    barrier();
}

#endif

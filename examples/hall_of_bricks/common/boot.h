/* What all programs here have in common: vectors, and the start of an image. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

extern uint32_t stack_top[]; /* memory.ld */

void start(void); /* from reset; its variables need no values to begin with */
void nmi(void);   /* on parts with ECC: a double error */

static inline void after_the_reads(void) /* an NMI for one of them has come by then */
{
    __asm volatile("dsb\n\tisb" ::: "memory");
}

static inline __attribute__((noreturn)) void start_image(uint32_t address)
{
    REGISTER(0xE000ED08u) = address; /* SCB_VTOR */
    __asm volatile("msr msp, %0\n\tbx %1" ::"r"(REGISTER(address)), "r"(REGISTER(address + 4u)));
    __builtin_unreachable();
}

static void hang(void)
{
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, start, nmi, hang, hang, hang, hang, 0, 0, 0, 0, hang, hang, 0, hang, hang,
};

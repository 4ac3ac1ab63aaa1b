/* The vector table of programs that know no exception but the NMI of the flash's ECC. */
#include <stdint.h>

extern uint32_t __stack_top[];

void start(void);

static void hang(void)
{
    __asm volatile("b .");
}

void nmi(void) __attribute__((weak, alias("hang")));

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)__stack_top, start, nmi,  hang, hang, hang, hang, 0,
    0,                   0,     0,    hang, hang, 0,    hang, hang,
};

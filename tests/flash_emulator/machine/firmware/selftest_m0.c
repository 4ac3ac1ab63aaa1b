/* An M0+ (STM32G0B1): "SPTNMpcXUHVswR", and a line feed. */
#include "chip.h"
#include "flash.h"
#include "selftest.h"
#include "usart.h"

#define SCRATCH 0x08010000u

static bool flash_store(void)
{
    const uint32_t unit[2] = {0x01234567u, 0x89ABCDEFu};
    uint32_t found[2];

    begin();
    return flash_erase(SCRATCH) && flash_program(SCRATCH, unit) && flash_read(SCRATCH, found) &&
           found[0] == unit[0] && found[1] == unit[1] && met_count == 0u;
}

/* An M0+ faults on what is not aligned. */
static bool unaligned(void)
{
    begin();
    __asm volatile("ldr r0, =1f\n\t"
                   "str r0, [%[resume]]\n\t"
                   "ldr r0, [%[bad]]\n\t"
                   "1: nop" ::[bad] "l"(RAM_START + 1u),
                   [resume] "l"(&resume)
                   : "r0", "memory");
    return met_are(1u, HARD_FAULT, 0u);
}

void main(void)
{
    usart_open();
    if (!is_after_reset()) {
        flash_open();
        common_tests();
        passed('s', flash_store());
        passed('w', unaligned());
        reset_test();
    } else {
        passed('R', true);
    }
    usart_put('\n');
}

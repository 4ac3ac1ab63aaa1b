/* What Go finds at the stub's first address: stack and entry; and what the core may raise. */
#include <stdint.h>
#include "chip.h"
#include "flash.h"

extern uint32_t __stack_top[], __bss_start[], __bss_end[];

int main(void);

/* A fault of the stub: back to the boot ROM, where a host can begin again. */
static void fail(void)
{
    SCB_AIRCR = SCB_AIRCR_RESET;
    for (;;) {
    }
}

void entry(void);

typedef union {
    uint32_t *stack_top;
    void (*handler)(void);
} vector_t;

__attribute__((section(".vectors"), used)) static const vector_t vectors[16] = {
    {.stack_top = __stack_top},
    {.handler = entry},
    {.handler = flash_note_unreadable}, /* NMI */
    {.handler = fail},                  /* HardFault */
    {.handler = fail},                  /* MemManage */
    {.handler = fail},                  /* BusFault */
    {.handler = fail},                  /* UsageFault */
};

void entry(void)
{
    __asm volatile("cpsid i"); /* whatever the ROM has enabled: the table has no interrupts */
    SCB_VTOR = (uint32_t)vectors;
    for (uint32_t *word = __bss_start; word < __bss_end; word++) {
        *word = 0u;
    }
    main();
}

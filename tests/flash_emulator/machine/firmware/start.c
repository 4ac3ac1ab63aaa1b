/* From reset to main(). */
#include <stdint.h>

extern uint32_t __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[];

void main(void);

__attribute__((noreturn)) void start(void)
{
    uint32_t *from = __data_load;

    for (uint32_t *to = __data_start; to < __data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = __bss_start; to < __bss_end;) {
        *to++ = 0u;
    }
    main();
    for (;;) {
        __asm volatile("b .");
    }
}

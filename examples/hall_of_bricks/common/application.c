/* What is installed, and started: 16 bytes that differ by version, and rest. */
#include <stdint.h>

void start(void)
{
    for (;;) {
    }
}

extern uint32_t stack_top[];
__attribute__((section(".vectors"), used)) static void *const vectors[2] = {stack_top, start};

__attribute__((used)) const uint32_t version = VERSION;

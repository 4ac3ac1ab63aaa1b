/*
 * A bootloader that replaces its own first page.
 *
 * Its update is a new vector table, in place of the old one: erase, program. Between the two there is
 * nothing that a core could start from.
 *
 * Mended: the first page is never touched. What it starts looks at a mark to know which of the two
 * goes on.
 */
#include "../common/l4.h"

#define VECTORS 0x08000000u /* a page of its own */
#define MARK 0x08004000u
#define OLD_SLOT 0x08008000u
#define NEW_SLOT 0x08010000u

#ifndef MENDED
static void start_new(void)
{
    start_image(NEW_SLOT);
}
#endif

void start(void)
{
#ifdef MENDED
    if (!is_set(MARK)) {
        erase(MARK);
        set(MARK);
    }
    start_image(NEW_SLOT);
#else
    uint32_t stack = REGISTER(VECTORS);

    erase(VECTORS);
    program(VECTORS, stack, (uint32_t)start_new);
    start_new();
#endif
}

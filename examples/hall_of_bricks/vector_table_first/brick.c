/*
 * The vector table is what counts as an application, and it is programmed first.
 *
 * The bootloader starts what has the vector table of the new image. It installs from the first address
 * to the last: a cut after the first double word, and half an application is started.
 *
 * Mended: a mark counts, in a page of its own, programmed when all else is there.
 */
#include "../common/l4.h"

#define MARK 0x08004000u
#define SLOT 0x08008000u
#define STAGED 0x08080000u
#define SIZE 16u

static bool is_installed(void)
{
#ifdef MENDED
    return is_set(MARK);
#else
    return is(SLOT, REGISTER(STAGED), REGISTER(STAGED + 4u));
#endif
}

void start(void)
{
    if (!is_installed()) {
        erase(MARK); /* a cut may have left it weak: it must not come back */
        erase(SLOT);
        copy(SLOT, STAGED, SIZE);
        set(MARK);
    }
    start_image(SLOT);
}

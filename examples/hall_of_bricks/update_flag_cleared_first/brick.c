/*
 * The request for an update is cleared before the update is there.
 *
 * The bootloader takes the request, clears it so as not to do it twice, and copies. A cut behind that,
 * and nobody remembers that there was anything to do: the update is lost, or half of it is started.
 *
 * Mended: copied first, cleared then.
 */
#include "../common/l4.h"

#define REQUEST 0x08004000u
#define SLOT 0x08008000u
#define STAGED 0x08080000u
#define SIZE 16u
#define STGD 0x44475453u

void start(void)
{
    if (is(REQUEST, STGD, SIZE)) {
#ifndef MENDED
        erase(REQUEST);
#endif
        erase(SLOT);
        copy(SLOT, STAGED, SIZE);
#ifdef MENDED
        erase(REQUEST);
#endif
    }
    start_image(SLOT);
}

/*
 * A page that reads blank is not erased.
 *
 * To save time, a page is erased only where it does not read blank. A cut in its erase leaves it
 * reading blank, and yet not erased: what is programmed into it then is refused, or does not stay. The
 * driver's errors are not looked at, the mark says that all was copied, and what starts is no image.
 *
 * Mended: the page is erased, whatever it reads.
 */
#include "../common/l4.h"

#define MARK 0x08004000u
#define SLOT 0x08008000u
#define STAGED 0x08080000u
#define SIZE 16u

void start(void)
{
    if (!is_set(MARK)) {
        erase(MARK); /* a cut may have left it weak: it must not come back */
#ifdef MENDED
        erase(SLOT);
#else
        if (!is_blank(SLOT, SIZE)) {
            erase(SLOT);
        }
#endif
        copy(SLOT, STAGED, SIZE);
        set(MARK);
    }
    start_image(SLOT);
}

/*
 * A torn double word, read at every boot.
 *
 * A device counts that it was installed: it programs one double word, the record, and starts its
 * application. A cut tears the double word; the ECC can no longer correct it, and each read of it
 * raises the NMI. The handler of the NMI is the one that a project begins with, an endless loop:
 * the device never starts again, and no reset helps.
 *
 * Mended: the handler clears the flag and remembers. What cannot be read is no record, its page is
 * erased, and the record is written anew.
 */
#ifndef MENDED
#define OWN_NMI
#endif
#include "../common/l4.h"

#define RECORD 0x08004000u
#define SLOT 0x08008000u
#define INSTALLED 0x54534E49u

#ifdef OWN_NMI
void nmi(void)
{
    hang();
}
#endif

void start(void)
{
    if (!is(RECORD, INSTALLED, 1u)) {
        if (!is_blank(RECORD, UNIT) || !program(RECORD, INSTALLED, 1u)) {
            erase(RECORD);
            program(RECORD, INSTALLED, 1u);
        }
    }
    start_image(SLOT);
}

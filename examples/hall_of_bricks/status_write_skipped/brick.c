/*
 * A swap whose progress is never recorded.
 *
 * Two images are swapped, by way of a scratch page, in three steps; after each a double word of the
 * trailer says so. The trailer is longer than a page, and only its last page was erased: where the
 * progress belongs, old data lie, and each record is refused. Nobody looks at that. Without a cut all
 * goes well. After a cut the swap begins anew, from pages that were swapped in part.
 *
 * Mended: a step begins with the erase of its page of the trailer, so its record is taken, and none that
 * a cut has left weak comes back. And a record that is found at boot is programmed again before anything
 * relies on it; zeros can be.
 */
#include "../common/l4.h"

#define TRAILER 0x08004000u /* three pages, each with a record of progress */
#define DONE 0x08005800u    /* its last page */
#define SCRATCH 0x08006000u
#define SLOT 0x08008000u
#define STAGED 0x08080000u
#define SIZE 16u

#ifdef MENDED
#define RECORD 0u
#else
#define RECORD 1u
#endif

static bool is_recorded(uint32_t page)
{
    bool found = is(page, RECORD, RECORD);

    if (found) {
        program(page, RECORD, RECORD);
    }
    return found;
}

static void step(uint32_t number, uint32_t to, uint32_t from)
{
    uint32_t page = TRAILER + number * PAGE;

#ifdef MENDED
    erase(page);
#endif
    erase(to);
    copy(to, from, SIZE);
    program(page, RECORD, RECORD);
}

void start(void)
{
    if (!is_set(DONE)) {
        bool was[3] = {
            is_recorded(TRAILER), is_recorded(TRAILER + PAGE), is_recorded(TRAILER + 2u * PAGE)};
        if (!was[0] && !was[1] && !was[2]) {
            step(0u, SCRATCH, SLOT);
        }
        if (!was[1] && !was[2]) {
            step(1u, SLOT, STAGED);
        }
        if (!was[2]) {
            step(2u, STAGED, SCRATCH);
        }
        erase(DONE);
        set(DONE);
    }
    start_image(SLOT);
}

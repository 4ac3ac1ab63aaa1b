/*
 * Skips the pages that equal what is staged. Right as long as a cut leaves units as they were or as
 * they should be: a page that reads equal may hold a unit that is weak or metastable.
 */
#include "copy.h"

static bool is_equal(uint32_t offset, uint32_t size)
{
    uint32_t one[2], other[2];

    for (uint32_t end = offset + size; offset < end; offset += UNIT_SIZE) {
        if (!flash_read(SLOT + offset, one) || !flash_read(STAGED + offset, other) ||
            one[0] != other[0] || one[1] != other[1]) {
            return false;
        }
    }
    return true;
}

bool install(uint32_t size)
{
    if (!erase_mark()) {
        return false;
    }
    for (uint32_t offset = 0u; offset < size; offset += PAGE_SIZE) {
        uint32_t left = size - offset, here = left < PAGE_SIZE ? left : PAGE_SIZE;

        if (!is_equal(offset, here) && !(flash_erase(SLOT + offset) && copy(offset, here))) {
            return false;
        }
    }
    return program_mark(size);
}

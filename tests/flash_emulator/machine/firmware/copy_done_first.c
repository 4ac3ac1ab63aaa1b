/* Wrong: it marks the copy as done before it has begun. A cut in the copy leaves a torn image. */
#include "copy.h"

bool install(uint32_t size)
{
    if (!erase_mark() || !program_mark(size)) {
        return false;
    }
    for (uint32_t offset = 0u; offset < size; offset += PAGE_SIZE) {
        uint32_t left = size - offset;

        if (!flash_erase(SLOT + offset) || !copy(offset, left < PAGE_SIZE ? left : PAGE_SIZE)) {
            return false;
        }
    }
    return true;
}

/* Starts over from the first page after every cut. */
#include "copy.h"

static bool erase(uint32_t offset, uint32_t size)
{
    for (uint32_t end = offset + size; offset < end; offset += PAGE_SIZE) {
        if (!flash_erase(SLOT + offset)) {
            return false;
        }
    }
    return true;
}

#ifdef PAGE_BY_PAGE
static bool fill(uint32_t size)
{
    for (uint32_t offset = 0u; offset < size; offset += PAGE_SIZE) {
        uint32_t left = size - offset, here = left < PAGE_SIZE ? left : PAGE_SIZE;

        if (!erase(offset, here) || !copy(offset, here)) {
            return false;
        }
    }
    return true;
}
#else
static bool fill(uint32_t size)
{
    return erase(0u, size) && copy(0u, size);
}
#endif

bool install(uint32_t size)
{
    return erase_mark() && fill(size) && program_mark(size);
}

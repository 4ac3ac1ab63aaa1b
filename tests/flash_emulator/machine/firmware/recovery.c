/*
 * For coverage: copies as copy_restart does, looks at what it has copied, and mends it on request.
 * Nobody ever writes the request, so no cut leads to repair(). check() is compiled into both of its
 * callers.
 */
#include "copy.h"

#define REPAIR 0x52494150u

static inline __attribute__((always_inline)) bool check(uint32_t offset)
{
    uint32_t copied[2], staged[2];

    if (!flash_read(SLOT + offset, copied)) {
        return false;
    }
    return flash_read(STAGED + offset, staged) && copied[0] == staged[0] && copied[1] == staged[1];
}

static __attribute__((noinline)) bool repair(uint32_t size)
{
    bool done = true;

    for (uint32_t offset = 0u; offset < size; offset += PAGE_SIZE) {
        done &= flash_erase(SLOT + offset);
    }
    return done;
}

static __attribute__((noinline)) bool is_copied(uint32_t size)
{
    for (uint32_t offset = 0u; offset < size; offset += UNIT_SIZE) {
        if (!check(offset)) {
            return false;
        }
    }
    return true;
}

bool install(uint32_t size)
{
    uint32_t asked[2];

    if (flash_read(REQUEST + UNIT_SIZE, asked) && asked[0] == REPAIR) {
        return repair(size);
    }
    if (!erase_mark()) {
        return false;
    }
    for (uint32_t offset = 0u; offset < size; offset += PAGE_SIZE) {
        uint32_t left = size - offset;

        if (check(offset)) { /* most of the page may still be wrong: it is written all the same */
            asked[0] = 0u;
        }
        if (!flash_erase(SLOT + offset) || !copy(offset, left < PAGE_SIZE ? left : PAGE_SIZE)) {
            return false;
        }
    }
    return is_copied(size) && program_mark(size);
}

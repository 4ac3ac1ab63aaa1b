#include "copy.h"
#include "image.h"

bool erase_mark(void)
{
    return flash_erase(MARK);
}

bool program_mark(uint32_t size)
{
    const uint32_t mark[2] = {DONE, size};

    return flash_program(MARK, mark);
}

bool copy(uint32_t offset, uint32_t size)
{
    uint32_t unit[2];

    for (uint32_t end = offset + size; offset < end; offset += UNIT_SIZE) {
        if (!flash_read(STAGED + offset, unit) || !flash_program(SLOT + offset, unit)) {
            return false;
        }
    }
    return true;
}

static bool reads(uint32_t address, uint32_t word, uint32_t size)
{
    uint32_t unit[2];

    return flash_read(address, unit) && unit[0] == word && unit[1] == size;
}

/* Size of what is staged, 0 for nothing. */
static uint32_t requested(void)
{
    uint32_t unit[2];
    bool is_there = flash_read(REQUEST, unit) && unit[0] == STGD;

    return is_there && unit[1] <= LARGEST && unit[1] % UNIT_SIZE == 0u ? unit[1] : 0u;
}

__attribute__((weak)) void start_slot(uint32_t size)
{
    (void)size;
    image_start(SLOT);
}

void main(void)
{
    flash_open();
    uint32_t size = requested();

    if (size == 0u || reads(MARK, DONE, size) || install(size)) {
        start_slot(size);
    }
}

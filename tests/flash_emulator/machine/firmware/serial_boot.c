#include "serial_boot.h"
#include "chip.h"
#include "flash.h"
#include "image.h"

static uint32_t unit[2]; /* bytes that do not fill a unit yet */

void slot_start_if_marked(void)
{
    uint32_t mark[2];

    if (flash_read(MARK, mark) && mark[0] == DONE) {
        image_start(SLOT);
    }
}

bool slot_open(void)
{
    return flash_erase(MARK);
}

static bool write_byte(uint32_t offset, uint8_t byte)
{
    uint32_t in_unit = offset % UNIT_SIZE, shift = 8u * (in_unit % 4u);

    if (offset >= SLOT_SIZE || (offset % PAGE_SIZE == 0u && !flash_erase(SLOT + offset))) {
        return false;
    }
    if (in_unit == 0u) {
        unit[0] = unit[1] = 0xFFFFFFFFu;
    }
    unit[in_unit / 4u] = (unit[in_unit / 4u] & ~(0xFFu << shift)) | (uint32_t)byte << shift;
    return in_unit != UNIT_SIZE - 1u || flash_program(SLOT + offset - in_unit, unit);
}

bool slot_write(uint32_t offset, const uint8_t *bytes, uint32_t size)
{
    while (size--) {
        if (!write_byte(offset++, *bytes++)) {
            return false;
        }
    }
    return true;
}

bool slot_close(uint32_t size)
{
    const uint32_t mark[2] = {DONE, size};
    uint32_t begun = size % UNIT_SIZE;

    return (begun == 0u || flash_program(SLOT + size - begun, unit)) && flash_program(MARK, mark);
}

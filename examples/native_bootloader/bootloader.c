/*
 * Installs the image that an update has left in STAGED into RUN. A mark is programmed last of all,
 * in a unit of its own: where it reads right, the image was programmed to the end with power on.
 */
#include "bootloader.h"
#include "mcu_flash.h"

#include <string.h>

struct mark {
    char word[4];
    uint32_t crc;
};

int boot(void)
{
    struct image staged;
    struct mark mark;

    if (!image_read(STAGED, &staged)) {
        return 0;
    }
    memcpy(mark.word, "DONE", 4);
    mark.crc = staged.crc;
    if (flash_match(MARK, &mark, sizeof mark) != sizeof mark) {
        flash_erase(RUN);
        flash_program(RUN, &staged, SIZE);
        flash_program(MARK, &mark, sizeof mark);
    }
    return 0;
}

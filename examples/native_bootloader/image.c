#include "bootloader.h"
#include "mcu_flash.h"

static uint32_t crc32(const uint8_t *data, uint32_t size)
{
    uint32_t crc = 0xFFFFFFFFu;

    for (uint32_t i = 0u; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1u ? 0xEDB88320u : 0u);
        }
    }
    return ~crc;
}

bool image_read(uint32_t address, struct image *image)
{
    return flash_read(address, image, sizeof *image) == FLASH_OK &&
           crc32(image->body, sizeof image->body) == image->crc;
}

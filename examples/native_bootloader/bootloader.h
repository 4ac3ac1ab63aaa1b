/* Where things are on an STM32L476, and what the two bootloaders have in common. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define RUN 0x08008000u
#define STAGED 0x08008800u
#define SIZE 64u /* of an image, its CRC included */
#define MARK (RUN + SIZE)

struct image {
    uint8_t body[SIZE - 4u];
    uint32_t crc;
};

/* The image at *address*, if it can be read and its CRC is right. */
bool image_read(uint32_t address, struct image *image);

/* Starting an image that begins with its vector table. */
#pragma once
#include <stdint.h>

/* Comes back when there is none: no vector table at *slot* that points into RAM and into *slot*. */
void image_start(uint32_t slot);

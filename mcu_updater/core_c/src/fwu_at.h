/* What the module prints, as values: bytes in, however they were cut. The twin in Python is
 * mcu_updater/quectel/at.py, ResponseParser. */
#ifndef FWU_AT_H
#define FWU_AT_H

#include <stdbool.h>
#include <stdint.h>

struct fwu_at {
    uint32_t size;
};

#endif

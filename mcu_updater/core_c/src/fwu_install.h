/* FWU_STRATEGY_COPY: copies the chosen image to where it runs. FORMAT.md, section 7.1. The twin in
 * Python is mcu_updater/core/install.py. */
#ifndef FWU_INSTALL_H
#define FWU_INSTALL_H

#include "fwu_flash.h"

/* Make sure that the execution slot holds the image of bank. False where it does not hold what was
 * written, or the source cannot be read. A cut leaves it incomplete and its journal saying so; bank is
 * only read. */
bool fwu_install(uint8_t bank);

#endif

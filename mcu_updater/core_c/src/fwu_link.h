/* One command, one answer: over a line where either may be lost and events come in between. The twin in
 * Python is mcu_updater/quectel/link.py. */
#ifndef FWU_LINK_H
#define FWU_LINK_H

#include "fwu_at.h"
#include "fwu_config.h"

struct fwu_link {
    struct fwu_at at;
};

#endif

/* FWU_STRATEGY_COPY: copies the chosen image to where it runs. FORMAT.md, section 7.1. The twin in
 * Python is mcu_updater/core/install.py. */
#ifndef FWU_INSTALL_H
#define FWU_INSTALL_H

#include "fwu_journal.h"
#include "fwu_writer.h"

#define FWU_INSTALL_STEP 256u

/* All that an installation holds in RAM, private. The writer in it holds the largest sector of the
 * execution slot, up to 128 KiB: static memory is the place for it, not the stack. Nothing of it need
 * survive a reset. */
struct fwu_installer {
    struct fwu_bank source;
    struct fwu_bank execution;
    struct fwu_journal journal; /* of the execution slot */
    struct fwu_snapshot wanted;
    bool has_vectors; /* the image begins with its vector table: it is not signed */
    uint8_t piece[FWU_INSTALL_STEP];
    struct fwu_writer writer;
};

/* Make sure that the execution slot holds the image of bank. False where it does not hold what was
 * written, or the source cannot be read. A cut leaves it incomplete and its journal saying so; bank is
 * only read. installer need not be filled in. */
bool fwu_install(struct fwu_installer *installer, uint8_t bank);

#endif

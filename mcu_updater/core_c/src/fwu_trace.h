/* What happens, for a log. Nothing of it is compiled, unless FWU_TRACE is defined: then your HAL has
 * fwu_hal_trace. It must return, and must not call the updater. */
#ifndef FWU_TRACE_H
#define FWU_TRACE_H

#include <stdint.h>

enum fwu_trace {
    FWU_TRACE_STEP,    /* the next step (enum fwu_step), and the module (enum fwu_module) */
    FWU_TRACE_JOURNAL, /* a bank's journal was written: bank, phase (enum fwu_phase) */
    FWU_TRACE_RESUMED, /* an upgrade goes on: sectors done, bytes of the package that are done */
    FWU_TRACE_SECTOR   /* a sector is written and recorded: its index, bytes of the slot so far */
};

#ifdef FWU_TRACE
void fwu_hal_trace(enum fwu_trace what, uint32_t first, uint32_t second);
#define fwu_trace(what, first, second) fwu_hal_trace((what), (first), (second))
#else
#define fwu_trace(what, first, second) ((void)0)
#endif

#endif

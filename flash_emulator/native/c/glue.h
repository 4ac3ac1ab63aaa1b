/* What Python is told of glue.c. Parsed by cffi, too: no preprocessor between the two marks. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* cffi begins */
struct glue_hooks {
    int32_t (*read)(uint32_t address, uint32_t size, void **data);
    int32_t (*program)(uint32_t address, void *data, uint32_t size);
    int32_t (*erase)(uint32_t address);
    int32_t (*match)(uint32_t address, void *expected, uint32_t size, uint32_t *same);
    int32_t (*option_read)(char *name, uint32_t *value);
    int32_t (*option_program)(char *name, uint32_t value);
    int32_t (*map_bank)(uint32_t bank);
    int32_t (*reset)(uint32_t loads_options);
};

struct glue_range {
    uintptr_t at;
    size_t size;
};

/* How a boot ended. *where*: a place in the code; *what*: a signal's number or an exit code. */
struct glue_end {
    int32_t ended, returned, what;
    uintptr_t where, address;
    char *text, *file;
};

uintptr_t glue_base(void);
int32_t glue_has_boot(void);
int32_t glue_set_up(struct glue_range *ranges, size_t count, struct glue_hooks *hooks);
void glue_boot(uint64_t blocks, size_t stack, struct glue_end *end);
/* cffi ends */

enum { GLUE_RETURNED, GLUE_LEFT, GLUE_RESET, GLUE_ENDLESS, GLUE_DEEP, GLUE_CRASHED, GLUE_ASSERTED,
       GLUE_EXITED, GLUE_STUCK, GLUE_SMASHED, GLUE_NO_MEMORY };

#define GLUE_LEAVE INT32_MIN /* from a hook: the boot is over, leave the C code */

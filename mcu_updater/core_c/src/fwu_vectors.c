#include "fwu_image.h"
#include "fwu_tables.h" /* FWU_SIGNED_MAGIC, FWU_STACK_FIRST and _LAST */

#define WORD 4u
#define THUMB 1u

enum fwu_fault fwu_check_vectors(const uint8_t head[8], uint32_t start, uint32_t slot_size)
{
    uint32_t stack = fwu_get_u32(head);
    uint32_t reset = fwu_get_u32(head + WORD);

    if (stack == FWU_SIGNED_MAGIC) {
        return FWU_FAULT_SIGNED;
    }
    if (stack % WORD != 0) {
        return FWU_FAULT_STACK_ALIGNMENT;
    }
    if (stack < FWU_STACK_FIRST || stack > FWU_STACK_LAST) {
        return FWU_FAULT_STACK_PLACE;
    }
    if ((reset & THUMB) == 0) {
        return FWU_FAULT_THUMB;
    }
    if ((reset ^ THUMB) - start >= slot_size) { /* below start, too: the difference wraps around */
        return FWU_FAULT_OTHER_ADDRESS;
    }
    return FWU_FAULT_NONE;
}

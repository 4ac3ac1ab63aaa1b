/*
 * Each access stands first, in the middle and last in an IT block. The instructions behind it, in
 * the block and behind its end, each add a weight of their own: a sum tells which of them ran.
 */
#include "it_blocks.h"
#include "chip.h"
#include "flash.h"
#include "selftest.h"

#define SCRATCH 0x08010000u

#define BEHIND                                                                                    \
    "add r3, r3, #16\n\t"                                                                         \
    "add r3, r3, #32\n\t"                                                                         \
    "cmp %[on], #2\n\t"                                                                           \
    "ite ne\n\t"                                                                                  \
    "addne r3, r3, #64\n\t"                                                                       \
    "addeq r3, r3, #128\n\t"

#define BLOCK(text)                                                                               \
    __asm volatile("movs r3, #0\n\t"                                                              \
                   "cmp %[on], #1\n\t" text BEHIND "mov %[sum], r3"                               \
                   : [sum] "=r"(sum)                                                              \
                   : [on] "r"(on), [at] "r"(at)                                                   \
                   : "r0", "r1", "r2", "r3", "r4", "r5", "cc", "memory")

/* Sums of first(), middle() and last() with the condition met, and not. */
static const uint32_t sums[3][2] = {
    {16u + 32u + 64u, 7u + 16u + 32u + 64u},
    {2u + 8u + 16u + 32u + 64u, 1u + 4u + 16u + 32u + 64u},
    {16u + 32u + 64u, 3u + 16u + 32u + 64u},
};

#define CROSS(name, access)                                                                       \
    static uint32_t name##_first(uint32_t on, uint32_t at)                                        \
    {                                                                                             \
        uint32_t sum;                                                                             \
        BLOCK("itttt eq\n\t" access "\n\t"                                                        \
              "addeq r3, r3, #1\n\t"                                                              \
              "addeq r3, r3, #2\n\t"                                                              \
              "addeq r3, r3, #4\n\t");                                                            \
        return sum;                                                                               \
    }                                                                                             \
    static uint32_t name##_middle(uint32_t on, uint32_t at)                                       \
    {                                                                                             \
        uint32_t sum;                                                                             \
        BLOCK("itte eq\n\t"                                                                       \
              "addeq r3, r3, #1\n\t" access "\n\t"                                                \
              "addne r3, r3, #2\n\t"                                                              \
              "ite eq\n\t"                                                                        \
              "addeq r3, r3, #4\n\t"                                                              \
              "addne r3, r3, #8\n\t");                                                            \
        return sum;                                                                               \
    }                                                                                             \
    static uint32_t name##_last(uint32_t on, uint32_t at)                                         \
    {                                                                                             \
        uint32_t sum;                                                                             \
        BLOCK("ittt eq\n\t"                                                                       \
              "addeq r3, r3, #1\n\t"                                                              \
              "addeq r3, r3, #2\n\t" access "\n\t");                                              \
        return sum;                                                                               \
    }                                                                                             \
    static const crossing name[3] = {name##_first, name##_middle, name##_last};

typedef uint32_t (*crossing)(uint32_t on, uint32_t at);

CROSS(load, "ldreq r2, [%[at]]")
CROSS(load_byte, "ldrbeq r2, [%[at], #1]")
CROSS(load_two, "ldrdeq r2, r4, [%[at]]")
CROSS(load_many, "ldmeq %[at], {r0, r1, r2, r4, r5}")
CROSS(store, "streq r3, [%[at]]")
CROSS(store_many, "stmeq %[at], {r0, r1, r2, r4, r5}")
CROSS(program, "strdeq r3, r3, [%[at]]")

static bool crosses(const crossing *all, uint32_t at)
{
    bool has = true;

    for (uint32_t i = 0u; i < 3u; i++) {
        for (uint32_t on = 0u; on < 2u; on++) {
            has &= all[i](on, at) == sums[i][on];
        }
    }
    return has;
}

static bool crosses_reads(uint32_t at)
{
    return crosses(load, at) && crosses(load_byte, at) && crosses(load_two, at);
}

/* A unit for each block: it is programmed where the condition was met, and blank where not. */
static bool crosses_programs(void)
{
    static const uint32_t stored[3] = {0u, 1u, 3u}; /* the sum so far */
    bool has = flash_erase(SCRATCH);

    for (uint32_t i = 0u; i < 3u; i++) {
        for (uint32_t on = 0u; on < 2u; on++) {
            uint32_t at = SCRATCH + (2u * i + on) * UNIT_SIZE, found[2];

            FLASH_CR = FLASH_CR_PG;
            has &= program[i](on, at) == sums[i][on];
            while (FLASH_SR & FLASH_SR_BSY) {
            }
            FLASH_CR = 0u;
            has &= flash_read(at, found) && are_all(found, 2u, on ? stored[i] : 0xFFFFFFFFu);
        }
    }
    return has && !(FLASH_SR & FLASH_SR_ERRORS);
}

static uint32_t ram[8];

void it_tests(void)
{
    uint32_t cr1 = (uint32_t)&USART2_CR1, brr = (uint32_t)&USART2_BRR, table = (uint32_t)vectors;

    begin();
    passed('r', crosses_reads(cr1) && crosses(load_many, cr1));
    uint32_t before = USART2_BRR;
    passed('w', crosses(store, brr));
    USART2_BRR = before;
    passed('l', crosses_reads(table) && crosses_reads(SCRATCH));
    passed('L', crosses(load_many, table));
    passed('m', crosses(load_many, (uint32_t)ram) && crosses(store_many, (uint32_t)ram) &&
                    crosses(store, (uint32_t)ram) && crosses_reads((uint32_t)ram));
    passed('s', crosses_programs() && met_count == 0u);
}

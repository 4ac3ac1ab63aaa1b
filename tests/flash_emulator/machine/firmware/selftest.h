/*
 * Self-tests of a CPU's exceptions, on USART2: a letter for each test that passed, '-' for one that
 * failed, in the order in which they stand. What the programs for M4F and M0+ share.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { NMI = 2, HARD_FAULT, BUS_FAULT = 5, USAGE_FAULT, SVC = 11, PENDSV = 14, SYSTICK, IRQ0, IRQ1, IRQ2 };
#define VECTORS 24

/* What the CPU has pushed. */
struct frame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, psr;
};

/* One exception, as it was met. */
struct met {
    uint32_t number, exc_return, msp;
    struct frame *frame;
};

typedef void (*action)(struct frame *frame);
typedef void (*vector)(void);

extern action on[VECTORS]; /* what each exception does beside being met */
extern volatile struct met met[8];
extern volatile uint32_t met_count;
extern volatile uint32_t resume; /* where a fault is to return to; 0: where it says */
extern const vector vectors[VECTORS];

#define ICSR (*(volatile uint32_t *)0xE000ED04u)
#define ICSR_NMIPENDSET (1u << 31)
#define ICSR_PENDSVSET (1u << 28)
#define ICSR_PENDSVCLR (1u << 27)
#define NVIC_ISER (*(volatile uint32_t *)0xE000E100u)
#define NVIC_ISPR (*(volatile uint32_t *)0xE000E200u)
#define NVIC_ICPR (*(volatile uint32_t *)0xE000E280u)
#define IRQ(number) (1u << ((number)-IRQ0))

#define BARRIER() __asm volatile("dsb\n\tisb" ::: "memory")
#define MASK() __asm volatile("cpsid i" ::: "memory")
#define UNMASK() __asm volatile("cpsie i\n\tisb" ::: "memory")

/* Priority of an exception from 0 (first) to 0xC0; NVIC and SCB as they are for each. */
void set_priority(uint32_t exception, uint32_t priority);

/* Forget what was met. */
void begin(void);
/* The exceptions that were met, from the first on, and no others. */
bool met_are(uint32_t count, uint32_t first, uint32_t second);
bool are_all(const uint32_t *words, uint32_t count, uint32_t wanted);

void passed(char letter, bool has);
void common_tests(void); /* SPTNMpcXUHV */
void reset_test(void);   /* R: last, since main() begins anew */
bool is_after_reset(void);

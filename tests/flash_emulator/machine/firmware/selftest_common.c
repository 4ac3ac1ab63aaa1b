#include "selftest.h"
#include "chip.h"
#include "usart.h"

extern uint32_t __stack_top[];
void start(void);

action on[VECTORS];
volatile struct met met[8];
volatile uint32_t met_count;
volatile uint32_t resume;
static volatile uint32_t inside; /* what was met when a handler had pended another */

#define RESET_ASKED 0x7E5E7001u
__attribute__((section(".noinit"))) static volatile uint32_t reset_flag;

/* --- every exception comes here */

__attribute__((used)) static void entered(uint32_t exc_return, uint32_t msp, uint32_t psp)
{
    uint32_t number;
    struct frame *frame = (struct frame *)(exc_return & 4u ? psp : msp);

    __asm volatile("mrs %0, ipsr" : "=r"(number));
    if (met_count < 8u) {
        met[met_count] = (struct met){number, exc_return, msp, frame};
    }
    met_count++;
    if (on[number]) {
        on[number](frame);
    }
    if (resume && (number == HARD_FAULT || number == BUS_FAULT || number == USAGE_FAULT)) {
        frame->pc = resume & ~1u;
        resume = 0u;
    }
}

__attribute__((naked)) static void any(void)
{
    __asm volatile("mov r0, lr\n\t"
                   "mrs r1, msp\n\t"
                   "mrs r2, psp\n\t"
                   "ldr r3, =entered\n\t"
                   "bx r3\n\t"
                   ".ltorg");
}

__attribute__((section(".vectors"), used)) const vector vectors[VECTORS] = {
    (vector)__stack_top, start, any, any, any, any, any, any, any, any, any, any, any, any, any, any,
    any,                 any,   any, any, any, any, any, any,
};

/* --- what tests are made of */

void begin(void)
{
    met_count = 0u;
    resume = 0u;
    inside = 0u;
    for (uint32_t i = 0u; i < VECTORS; i++) {
        on[i] = 0;
    }
}

bool met_are(uint32_t count, uint32_t first, uint32_t second)
{
    return met_count == count && met[0].number == first && (count < 2u || met[1].number == second);
}

bool are_all(const uint32_t *words, uint32_t count, uint32_t wanted)
{
    while (count > 0u && words[count - 1u] == wanted) {
        count--;
    }
    return count == 0u;
}

void passed(char letter, bool has)
{
    usart_put(has ? letter : '-');
}

/* Words, since an M0+ has no others: SHPR from exception 4 on, IPR from 16. */
void set_priority(uint32_t exception, uint32_t priority)
{
    uint32_t bytes = exception < IRQ0 ? 0xE000ED14u + exception : 0xE000E400u + exception - IRQ0;
    volatile uint32_t *word = (volatile uint32_t *)(bytes & ~3u);
    uint32_t shift = 8u * (bytes & 3u);

    *word = (*word & ~(0xFFu << shift)) | priority << shift;
}

/* --- S (not inlined, as H: literals of its assembly must be near): the caller's registers are in the frame, and what is written there comes back */

static void answer(struct frame *frame)
{
    uint16_t svc = *(uint16_t *)(frame->pc - 2u);

    frame->r0 = frame->r0 * 2u + (svc & 0xFFu) + (frame->r12 == 0x5A5Au);
}

__attribute__((noinline)) static bool svc(void)
{
    begin();
    on[SVC] = answer;
    register uint32_t r0 __asm("r0") = 100u; /* behind all calls */
    __asm volatile("ldr r1, =0x5A5A\n\tmov r12, r1\n\tsvc #7" : "+r"(r0)::"r1", "r12", "memory");
    return r0 == 208u && met_are(1u, SVC, 0u);
}

/* --- P, N, M */

static bool pendsv(void)
{
    begin();
    ICSR = ICSR_PENDSVSET;
    BARRIER();
    return met_are(1u, PENDSV, 0u);
}

static bool nmi(void)
{
    begin();
    MASK(); /* which does not mask it */
    ICSR = ICSR_NMIPENDSET;
    BARRIER();
    bool has = met_are(1u, NMI, 0u);
    UNMASK();
    return has;
}

static bool masked(void)
{
    begin();
    MASK();
    ICSR = ICSR_PENDSVSET;
    BARRIER();
    bool waits = met_count == 0u && ICSR & ICSR_PENDSVSET;
    UNMASK();
    bool has = waits && met_are(1u, PENDSV, 0u) && !(ICSR & ICSR_PENDSVSET);
    begin();
    MASK();
    ICSR = ICSR_PENDSVSET;
    ICSR = ICSR_PENDSVCLR;
    UNMASK();
    BARRIER();
    return has && met_count == 0u;
}

/* --- T */

#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)

static bool systick(void)
{
    begin();
    SYST_RVR = 499u;
    SYST_CVR = 0u;
    SYST_CSR = 7u;
    for (uint32_t i = 0u; i < 1000000u && met_count < 3u; i++) {
    }
    bool has = met_count >= 3u && met[2].number == SYSTICK && SYST_CVR <= 499u;
    SYST_CSR = 4u;
    MASK();
    uint32_t count = met_count;
    UNMASK();
    for (volatile uint32_t i = 0u; i < 1000u; i++) {
    }
    return has && met_count == count;
}

/* --- p: a more urgent one interrupts a handler, a less urgent one waits for its end */

static void pend_irq1(struct frame *frame)
{
    (void)frame;
    NVIC_ISPR = IRQ(IRQ1);
    BARRIER();
    inside = met_count;
}

static void pend_irq0(struct frame *frame)
{
    (void)frame;
    NVIC_ISPR = IRQ(IRQ0);
    BARRIER();
    inside = met_count;
}

static bool preemption(void)
{
    NVIC_ISER = IRQ(IRQ0) | IRQ(IRQ1) | IRQ(IRQ2);
    set_priority(IRQ0, 0xC0u);
    set_priority(IRQ1, 0x40u);
    set_priority(IRQ2, 0x40u);
    begin();
    on[IRQ0] = pend_irq1;
    NVIC_ISPR = IRQ(IRQ0);
    BARRIER();
    bool interrupts = met_are(2u, IRQ0, IRQ1) && inside == 2u && met[1].msp < met[0].msp;
    begin();
    on[IRQ1] = pend_irq0;
    NVIC_ISPR = IRQ(IRQ1);
    BARRIER();
    bool waits = met_are(2u, IRQ1, IRQ0) && inside == 1u;
    begin();
    on[IRQ1] = pend_irq0;
    NVIC_ICPR = IRQ(IRQ0); /* nothing to clear: harmless */
    set_priority(IRQ0, 0x40u);
    NVIC_ISPR = IRQ(IRQ1);
    BARRIER();
    return interrupts && waits && met_are(2u, IRQ1, IRQ0) && inside == 1u;
}

/* --- c: two that are pended at once run one after the other, on one frame */

static bool chain(uint32_t first, uint32_t second)
{
    begin();
    MASK();
    NVIC_ISPR = IRQ(IRQ0) | IRQ(IRQ1);
    BARRIER();
    UNMASK();
    BARRIER();
    return met_are(2u, first, second) && met[0].frame == met[1].frame &&
           met[0].exc_return == met[1].exc_return;
}

static bool chained(void)
{
    set_priority(IRQ0, 0x80u);
    set_priority(IRQ1, 0x40u);
    bool has = chain(IRQ1, IRQ0);
    set_priority(IRQ1, 0x80u); /* alike: the lower number first */
    return has && chain(IRQ0, IRQ1);
}

/* --- X, U */

static bool exc_returns(void)
{
    set_priority(IRQ0, 0xC0u);
    set_priority(IRQ1, 0x40u);
    begin();
    on[IRQ0] = pend_irq1;
    NVIC_ISPR = IRQ(IRQ0);
    BARRIER();
    return met_are(2u, IRQ0, IRQ1) && met[0].exc_return == 0xFFFFFFF9u &&
           met[1].exc_return == 0xFFFFFFF1u;
}

static uint64_t process_stack[64];

static bool process_stack_pointer(void)
{
    uint32_t top = (uint32_t)(process_stack + 64), two = 2u, zero = 0u, left, control;

    begin();
    __asm volatile("msr psp, %[top]\n\t"
                   "msr control, %[two]\n\t"
                   "isb\n\t"
                   "svc #0\n\t"
                   "mov %[left], sp\n\t"
                   "mrs %[control], control\n\t"
                   "msr control, %[zero]\n\t"
                   "isb"
                   : [left] "=&r"(left), [control] "=&r"(control)
                   : [top] "r"(top), [two] "r"(two), [zero] "r"(zero)
                   : "memory");
    return met_are(1u, SVC, 0u) && met[0].exc_return == 0xFFFFFFFDu && left == top &&
           control == 2u && (uint32_t)met[0].frame == top - 32u && met[0].msp > top;
}

/* --- H: the load is what the frame points to */

static uint32_t fault_pc;

static void look(struct frame *frame)
{
    fault_pc = frame->pc;
}

__attribute__((noinline)) static bool hard_fault(void)
{
    uint32_t bad = 0xC0000000u, at;

    begin();
    fault_pc = 0u;
    on[HARD_FAULT] = look;
    __asm volatile("ldr r0, =1f\n\t"
                   "str r0, [%[resume]]\n\t"
                   "ldr %[at], =2f\n\t"
                   "2: ldr r0, [%[bad]]\n\t"
                   "1: nop"
                   : [at] "=&l"(at)
                   : [bad] "l"(bad), [resume] "l"(&resume)
                   : "r0", "memory");
    return met_are(1u, HARD_FAULT, 0u) && resume == 0u && fault_pc == (at & ~1u);
}

/* --- V */

static vector moved_vectors[VECTORS] __attribute__((aligned(256)));
static volatile uint32_t moved;

static void moved_pendsv(void)
{
    moved++;
}

static bool vtor(void)
{
    for (uint32_t i = 0u; i < VECTORS; i++) {
        moved_vectors[i] = vectors[i];
    }
    moved_vectors[PENDSV] = moved_pendsv;
    begin();
    uint32_t before = SCB_VTOR;
    SCB_VTOR = (uint32_t)moved_vectors;
    BARRIER();
    ICSR = ICSR_PENDSVSET;
    BARRIER();
    bool has = moved == 1u && met_count == 0u && SCB_VTOR == (uint32_t)moved_vectors;
    SCB_VTOR = before;
    BARRIER();
    ICSR = ICSR_PENDSVSET;
    BARRIER();
    return has && moved == 1u && met_are(1u, PENDSV, 0u);
}

void common_tests(void)
{
    passed('S', svc());
    passed('P', pendsv());
    passed('T', systick());
    passed('N', nmi());
    passed('M', masked());
    passed('p', preemption());
    passed('c', chained());
    passed('X', exc_returns());
    passed('U', process_stack_pointer());
    passed('H', hard_fault());
    passed('V', vtor());
}

/* --- R: RAM is kept, and a flag in it says that the reset came */

void reset_test(void)
{
    reset_flag = RESET_ASKED;
    BARRIER();
    SCB_AIRCR = SCB_AIRCR_RESET;
    for (uint32_t i = 0u; i < 1000u; i++) {
        __asm volatile("nop");
    }
    passed('R', false);
}

bool is_after_reset(void)
{
    bool is = reset_flag == RESET_ASKED;

    reset_flag = 0u;
    return is;
}

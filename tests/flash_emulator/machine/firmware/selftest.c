/* An M4F (STM32L476): "SPTNMpcXUHVBFfbueEDZrwlLmsR", and a line feed. */
#include "chip.h"
#include "flash.h"
#include "it_blocks.h"
#include "selftest.h"
#include "usart.h"

__asm(".fpu fpv4-sp-d16"); /* for what is written in assembly alone */

#define CFSR REGISTER(0xE000ED28u)
#define CFSR_PRECISERR (1u << 9)
#define CFSR_BFARVALID (1u << 15)
#define CFSR_UNDEFINSTR (1u << 16)
#define HFSR REGISTER(0xE000ED2Cu)
#define HFSR_FORCED (1u << 30)
#define BFAR REGISTER(0xE000ED38u)
#define SHCSR REGISTER(0xE000ED24u)
#define SHCSR_BUSFAULTENA (1u << 17)
#define SHCSR_USGFAULTENA (1u << 18)
#define CPACR REGISTER(0xE000ED88u)

/* --- B, F */

static bool basepri(void)
{
    set_priority(IRQ0, 0x80u);
    set_priority(IRQ1, 0x40u);
    begin();
    __asm volatile("msr basepri, %0\n\tisb" ::"r"(0x80u));
    NVIC_ISPR = IRQ(IRQ0) | IRQ(IRQ1);
    BARRIER();
    bool has = met_are(1u, IRQ1, 0u);
    __asm volatile("msr basepri, %0\n\tisb" ::"r"(0u));
    return has && met_are(2u, IRQ1, IRQ0);
}

static bool faultmask(void)
{
    begin();
    __asm volatile("cpsid f\n\tisb");
    NVIC_ISPR = IRQ(IRQ0);
    BARRIER();
    bool has = met_count == 0u;
    __asm volatile("cpsie f\n\tisb");
    return has && met_are(1u, IRQ0, 0u);
}

/* --- f: registers of the FPU survive a handler that uses them, and the frame says so */

static void use_fpu(struct frame *frame)
{
    (void)frame;
    __asm volatile("vmov s0, %0\n\tvmov s15, %0\n\tvadd.f32 s1, s0, s15\n\tvmov.f32 s2, s1"
                   ::"r"(0x40490FDBu));
}

static bool fpu(void)
{
    static const uint32_t wanted[4] = {0x3F800000u, 0x40000000u, 0x40400000u, 0x40800000u};
    static uint32_t found[4];
    uint32_t control, sp;

    CPACR |= 0xFu << 20;
    BARRIER();
    begin();
    on[PENDSV] = use_fpu;
    __asm volatile("vldmia %[wanted], {s0-s3}\n\t"
                   "vmov.f32 s15, s3\n\t"
                   "mov %[sp], sp\n\t"
                   "str %[pend], [%[icsr]]\n\t"
                   "dsb\n\t"
                   "isb\n\t"
                   "vmov.f32 s3, s15\n\t"
                   "vstmia %[found], {s0-s3}\n\t"
                   "mrs %[control], control"
                   : [control] "=&r"(control), [sp] "=&r"(sp)
                   : [wanted] "r"(wanted), [found] "r"(found), [pend] "r"(ICSR_PENDSVSET),
                     [icsr] "r"(&ICSR)
                   : "memory");
    bool has = met_are(1u, PENDSV, 0u) && met[0].exc_return == 0xFFFFFFE9u && control == 4u;
    has &= sp - (uint32_t)met[0].frame >= 26u * 4u;
    for (uint32_t i = 0u; i < 4u; i++) {
        has &= found[i] == wanted[i];
    }
    __asm volatile("msr control, %0\n\tisb" ::"r"(0u)); /* no FPU in use: short frames again */
    return has;
}

/* --- b, u, e, E: a fault with a handler of its own, and one without */

static uint32_t frame_pc, seen_cfsr, seen_hfsr, seen_bfar;

static void look(struct frame *frame)
{
    frame_pc = frame->pc;
    seen_cfsr = CFSR;
    seen_hfsr = HFSR;
    seen_bfar = BFAR;
    CFSR = seen_cfsr; /* cleared by ones */
    HFSR = seen_hfsr;
}

/* Run *instruction*, which faults; true when the frame points to it. */
#define FAULTS(instruction)                                                                       \
    ({                                                                                            \
        uint32_t at;                                                                              \
        __asm volatile("ldr r0, =1f\n\t"                                                          \
                       "str r0, [%[resume]]\n\t"                                                  \
                       "ldr %[at], =2f\n\t"                                                       \
                       "2: " instruction "\n\t"                                                   \
                       "1: nop"                                                                   \
                       : [at] "=&l"(at)                                                           \
                       : [bad] "l"(0xC0000000u), [resume] "l"(&resume)                            \
                       : "r0", "memory");                                                         \
        frame_pc == (at & ~1u);                                                                   \
    })

static void look_on(uint32_t exception)
{
    begin();
    seen_cfsr = seen_hfsr = seen_bfar = frame_pc = 0u;
    on[exception] = look;
}

static bool bus_fault(void)
{
    SHCSR |= SHCSR_BUSFAULTENA;
    look_on(BUS_FAULT);
    bool has = FAULTS("ldr r0, [%[bad]]");
    SHCSR &= ~SHCSR_BUSFAULTENA;
    return has && met_are(1u, BUS_FAULT, 0u) && seen_bfar == 0xC0000000u &&
           (seen_cfsr & (CFSR_PRECISERR | CFSR_BFARVALID)) == (CFSR_PRECISERR | CFSR_BFARVALID) &&
           CFSR == 0u;
}

static bool usage_fault(void)
{
    SHCSR |= SHCSR_USGFAULTENA;
    look_on(USAGE_FAULT);
    bool has = FAULTS("udf #0");
    SHCSR &= ~SHCSR_USGFAULTENA;
    return has && met_are(1u, USAGE_FAULT, 0u) && seen_cfsr & CFSR_UNDEFINSTR;
}

static bool escalation(void)
{
    look_on(HARD_FAULT);
    bool has = FAULTS("udf #0");
    return has && met_are(1u, HARD_FAULT, 0u) && seen_hfsr & HFSR_FORCED &&
           seen_cfsr & CFSR_UNDEFINSTR;
}

static bool svc_while_masked(void)
{
    look_on(HARD_FAULT);
    MASK();
    (void)FAULTS("svc #0");
    UNMASK();
    return met_are(1u, HARD_FAULT, 0u) && seen_hfsr & HFSR_FORCED;
}

/* --- D, Z */

static bool cycle_counter(void)
{
    REGISTER(0xE000EDFCu) |= 1u << 24; /* DEMCR.TRCENA */
    REGISTER(0xE0001004u) = 0u;        /* DWT_CYCCNT */
    REGISTER(0xE0001000u) |= 1u;       /* DWT_CTRL.CYCCNTENA */
    uint32_t before = REGISTER(0xE0001004u);
    for (volatile uint32_t i = 0u; i < 100u; i++) {
    }
    return REGISTER(0xE0001004u) - before >= 100u;
}

static volatile uint32_t bits;

static bool bit_band(void)
{
    uint32_t ram = 0x22000000u + ((uint32_t)&bits - RAM_START) * 32u;
    uint32_t gpiod = 0x42000000u + (RCC_BASE + 0x4Cu - 0x40000000u) * 32u + 3u * 4u;

    bits = 0xF0u;
    REGISTER(ram + 4u * 2u) = 1u;
    REGISTER(ram + 4u * 4u) = 0u;
    bool has = bits == 0xE4u && REGISTER(ram + 4u * 5u) == 1u && REGISTER(ram) == 0u;
    REGISTER(gpiod) = 1u;
    has &= (RCC_GPIO_ENABLE & 8u) != 0u && REGISTER(gpiod) == 1u;
    REGISTER(gpiod) = 0u;
    return has && !(RCC_GPIO_ENABLE & 8u);
}

void main(void)
{
    usart_open();
    if (!is_after_reset()) {
        flash_open();
        common_tests();
        passed('B', basepri());
        passed('F', faultmask());
        passed('f', fpu());
        passed('b', bus_fault());
        passed('u', usage_fault());
        passed('e', escalation());
        passed('E', svc_while_masked());
        passed('D', cycle_counter());
        passed('Z', bit_band());
        it_tests();
        reset_test();
    } else {
        passed('R', true);
    }
    usart_put('\n');
}

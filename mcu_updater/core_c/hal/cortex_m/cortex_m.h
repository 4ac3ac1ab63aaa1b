/* Of the core, ARMv7-M and ARMv8-M Architecture Reference Manuals, B3: the few registers that are
 * needed here, and what C has no word for. */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define REGISTER_16(address) (*(volatile uint16_t *)(address))

#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_AIRCR_SYSRESETREQ 0x05FA0004u /* with its key */

#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_TICKINT (1u << 1)
#define SYST_CSR_CLKSOURCE (1u << 2) /* the core's own clock */
#define SYST_CSR_COUNTFLAG (1u << 16)

#define NVIC_ISER(irq) REGISTER(0xE000E100u + 4u * ((irq) / 32u))
#define NVIC_BIT(irq) (1u << ((irq) % 32u))

/* Code that runs from RAM. While flash is erased or programmed the CPU waits for each instruction that
 * it fetches from the same bank, and could not take a byte from the USART meanwhile. The bootloader has
 * no USART, and no interrupts. */
#define RAM_CODE __attribute__((section(".ram_code"), noinline))
#ifdef FWU_BOOTLOADER
#define BUSY_CODE
#else
#define BUSY_CODE RAM_CODE
#endif

/* RAM that start-up code leaves alone: what it holds survives a reset, and a jump. */
#define KEPT __attribute__((section(".kept")))

static inline void barrier(void) /* what was written counts, for data, code and interrupts */
{
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
}

static inline void interrupts_on(void)
{
    __asm__ volatile("cpsie i" ::: "memory");
}

static inline void sleep_until_interrupt(void) /* one that is pending ends it, also where all are off */
{
    __asm__ volatile("dsb\n\twfi" ::: "memory");
}

/* Start the program whose vector table is at address. */
void cortex_m_start(uint32_t address);

void cortex_m_reset(void);

/* Vector table of this program into RAM, where it can be read while flash is busy. */
void cortex_m_vectors_to_ram(void);

/* Whether the other bank holds this bootloader, too: after an exchange that one goes on, or starts. */
bool cortex_m_other_bank_begins_alike(void);

#define TICK_MS 10u
void cortex_m_start_ticks(uint32_t clock_hz);

/* Let tenths of a second pass, by polling: for who has no interrupts. */
void cortex_m_pause(uint32_t clock_hz, uint32_t tenths);

/* Which image was started, for the application: by cortex_m_note_bank of the bootloader. */
void cortex_m_note_bank(uint8_t bank);
uint8_t cortex_m_noted_bank(void);

#endif

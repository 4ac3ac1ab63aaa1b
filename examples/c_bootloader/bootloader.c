/*
 * A bootloader for an STM32L476: it installs the image that an update has staged, and starts it.
 *
 *   0x0800_0000  this bootloader
 *   0x0800_4000  page REQUEST: "STGD", and how many bytes are staged. The update writes it
 *   0x0800_4800  page MARK: "DONE", and how many bytes were installed
 *   0x0800_8000  SLOT, where the application runs
 *   0x0808_0000  STAGED, in the other bank
 *
 * With MARK_FIRST it is the first try: it marks the copy as done, and then copies.
 */
#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define FLASH_KEYR REGISTER(0x40022008u)
#define FLASH_SR REGISTER(0x40022010u)
#define FLASH_CR REGISTER(0x40022014u)
#define FLASH_ECCR REGISTER(0x40022018u)
#define SCB_VTOR REGISTER(0xE000ED08u)

#define REQUEST 0x08004000u
#define MARK 0x08004800u
#define SLOT 0x08008000u
#define STAGED 0x08080000u
#define PAGE 2048u
#define STGD 0x44475453u
#define DONE 0x454E4F44u

static volatile bool unreadable;

void nmi(void) /* a double ECC error: what was read is no good */
{
    FLASH_ECCR |= 1u << 31;
    unreadable = true;
}

static bool is(uint32_t address, uint32_t word, uint32_t size)
{
    unreadable = false;
    bool same = REGISTER(address) == word && REGISTER(address + 4u) == size;
    __asm volatile("dsb\n\tisb" ::: "memory"); /* the NMI comes before the flag is looked at */
    return same && !unreadable;
}

static void finish(void)
{
    while (FLASH_SR & (1u << 16)) {
    }
    FLASH_CR = 0u;
}

static void erase(uint32_t address) /* a page of bank 1 */
{
    uint32_t page = (address - 0x08000000u) / PAGE << 3;

    FLASH_SR = 0xC3FAu;
    FLASH_CR = page | 2u;
    FLASH_CR = page | 2u | 1u << 16;
    finish();
}

static void program(uint32_t address, uint32_t low, uint32_t high) /* a double word */
{
    FLASH_SR = 0xC3FAu;
    FLASH_CR = 1u;
    REGISTER(address) = low;
    REGISTER(address + 4u) = high;
    finish();
}

static void copy(uint32_t size)
{
    for (uint32_t at = 0u; at < size; at += PAGE) {
        erase(SLOT + at);
    }
    for (uint32_t at = 0u; at < size; at += 8u) {
        program(SLOT + at, REGISTER(STAGED + at), REGISTER(STAGED + at + 4u));
    }
}

static void install(uint32_t size)
{
    FLASH_KEYR = 0x45670123u;
    FLASH_KEYR = 0xCDEF89ABu;
    erase(MARK);
#ifdef MARK_FIRST
    program(MARK, DONE, size);
    copy(size);
#else
    copy(size);
    program(MARK, DONE, size);
#endif
}

void start(void) /* from reset; its variables need no values to begin with */
{
    uint32_t size = REGISTER(REQUEST + 4u);

    if (is(REQUEST, STGD, size) && !is(MARK, DONE, size)) {
        install(size);
    }
    SCB_VTOR = SLOT;
    __asm volatile("msr msp, %0\n\tbx %1" ::"r"(REGISTER(SLOT)), "r"(REGISTER(SLOT + 4u)));
    __builtin_unreachable();
}

static void hang(void)
{
    for (;;) {
    }
}

extern uint32_t stack_top[];
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, start, nmi, hang, hang, hang, hang, 0, 0, 0, 0, hang, hang, 0, hang, hang,
};

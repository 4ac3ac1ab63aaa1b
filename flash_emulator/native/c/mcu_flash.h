/*
 * Flash for a bootloader that is compiled for this machine, and searched for power loss.
 *
 * You call what is declared here where your driver would touch FLASH registers, and define boot().
 * Addresses are those of the MCU (0x0800_8000): a pointer made of one cannot be followed here, so
 * reads go through flash_read, too. Power may go in any of these calls; then it does not return.
 *
 * .data and .bss, static locals too, are as your program was loaded whenever boot() is called. What
 * the C library holds (malloc, rand, printf) is not put back.
 */
#ifndef MCU_FLASH_H
#define MCU_FLASH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions below return. */
enum {
    FLASH_OK = 0,
    FLASH_UNREADABLE = -1, /* the ECC gives up: an NMI on L4, L5, G0, G4, U5, a bus fault on H7 */
    FLASH_REFUSED = -2,    /* a unit is not erased (PROGERR); the units before it are programmed */
    FLASH_PROTECTED = -3,  /* against writes (WRPERR) or reads (RDERR) */
    FLASH_BUSY = -4        /* another operation is under way */
};

/* Yours. Returns when it would start the application; the verdict is told what it returns. */
int boot(void);

/* *size* bytes to *into*, which stays as it is where they cannot be read. */
int flash_read(uint32_t address, void *into, uint32_t size);

/* Whole units, in ascending order. */
int flash_program(uint32_t address, const void *data, uint32_t size);

/* The sector that starts at *address*. */
int flash_erase(uint32_t address);

/*
 * How many bytes from *address* on read as *expected*, up to the unit that does not; one that cannot
 * be read holds nothing. Compare by it, and not by flash_read and memcmp, wherever you can: a search
 * looks at less then, so that it ends sooner, and tries the values that you ask for.
 */
uint32_t flash_match(uint32_t address, const void *expected, uint32_t size);

/* Option bytes by their names in the part's file, such as "BFB2": what is loaded, and a change. */
int option_read(const char *name, uint32_t *value);
int option_program(const char *name, uint32_t value);

/* Load the option bytes, which resets the MCU: boot() begins anew. */
void option_launch(void) __attribute__((noreturn));

/* Physical bank *bank* at the base address: FB_MODE where the part has it, else its swap option. */
int flash_map_bank(uint32_t bank);

/* A system reset: boot() begins anew. */
void mcu_reset(void) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#endif

/* Erase and program. Every function polls the line while flash is busy. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

void flash_open(void);  /* caches off: they may hold what was erased */
void flash_close(void); /* as it was */

/* Both leave FLASH_CR locked. They return FLASH_SR's error bits; 0 when the hardware saw none. */
uint32_t flash_erase(uint32_t address, bool is_everything);

/* Double words from `address` on; those that are all FF are left as the erase left them. */
uint32_t flash_program(uint32_t address, const uint32_t *words, uint32_t count);

/* Whether flash holds these words, and no double word was unreadable. NULL: whether it is blank. */
bool flash_holds(uint32_t address, const uint32_t *words, uint32_t count);

/* CRC-32 of a range; *is_readable: no double word in it was unreadable. */
uint32_t flash_crc(uint32_t address, uint32_t size, bool *is_readable);

/* The NMI: a double word with two wrong bits was read. */
void flash_note_unreadable(void);

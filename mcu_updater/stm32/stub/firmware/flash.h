/*
 * Erase and program. Every function polls the line while flash is busy. flash.c has what is alike;
 * flash_pages.c and flash_sectors.c know the two kinds of controllers.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Addresses of erases at one stroke, as AN3155 counts them. */
#define BULK_EVERYTHING 0xFFFFFFFFu
#define BULK_BANK_1 0xFFFFFFFEu
#define BULK_BANK_2 0xFFFFFFFDu
#define FIRST_BULK BULK_BANK_2

void flash_open(void);  /* caches off: they may hold what was erased */
void flash_close(void); /* as it was */

/* Bytes of the sector, or page, that begins at `address`, which is in flash; 0: none does. */
uint32_t flash_sector_size(uint32_t address);

bool flash_has_bulk(uint32_t bulk);

/* All three leave FLASH_CR locked. They return FLASH_SR's error bits; 0: the hardware saw none. */
uint32_t flash_erase(uint32_t address);
uint32_t flash_erase_bulk(uint32_t bulk);

/* Words from `address` on, as many as whole units have; blank units are left as erases left them. */
uint32_t flash_program(uint32_t address, const uint32_t *words, uint32_t count);

/* Whether flash holds these words, and no unit was unreadable. NULL: whether it is blank. */
bool flash_holds(uint32_t address, const uint32_t *words, uint32_t count);

/* CRC-32 of a range; *is_readable: no unit in it was unreadable. */
uint32_t flash_crc(uint32_t address, uint32_t size, bool *is_readable);

/* The NMI: a unit with two wrong bits was read. */
void flash_note_unreadable(void);

/* --- for the two kinds of controllers */

/* Wait until flash is idle; the error bits. */
uint32_t flash_finish(void);

/* Flash must be idle and its flags clear, or the next operation is refused (PGSERR). */
void flash_unlock(void);
void flash_lock(void);

/* Start an erase that FLASH_CR is to be set up for, and see it to its end. */
uint32_t flash_start(uint32_t control);

/*
 * Bootloaders that get the application over USART2: what they share.
 *
 *   0x0800_0000  the bootloader
 *   0x0800_4800  page MARK: unit 0 says "DONE" and a size as soon as SLOT is complete
 *   0x0800_8000  SLOT
 *
 * The mark is programmed last, and its page is erased before anything of SLOT is. What is said to
 * the host is said when it is so: an acknowledgement follows what it is for. With ACK_FIRST it goes
 * ahead, and a cut between the two loses an update that the host holds for done.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define SLOT 0x08008000u
#define SLOT_SIZE 0x40000u
#define MARK 0x08004800u
#define DONE 0x454E4F44u

void slot_start_if_marked(void); /* comes back when there is no mark, or no image */
bool slot_open(void);            /* a new image comes: erases the mark */
bool slot_write(uint32_t offset, const uint8_t *bytes, uint32_t size); /* erases as it goes on */
bool slot_close(uint32_t size);  /* programs what is left, and the mark */

/*
 * A copy bootloader: it installs the image that an update has staged. What its variants share.
 *
 *   0x0800_0000  the bootloader
 *   0x0800_4000  page REQUEST: unit 0 says "STGD" and the size of what is staged, in bytes, a
 *                multiple of 8. The update wrote it; the bootloader never does
 *   0x0800_4800  page MARK: unit 0 says "DONE" and that size, as soon as SLOT is complete
 *   0x0800_8000  SLOT, up to 256 KiB
 *   0x0808_0000  STAGED, in bank 2
 *
 * Why it is right (copy_restart.c; the others have their faults). The mark is programmed last, and
 * before anything of SLOT is erased the page of the mark is, to its end. So whatever a cut has made
 * of the mark, where it reads "DONE" all of SLOT was programmed with power on. It need not read so
 * the next time, or its ECC gives up: then the copy starts over. The mark has a page of its own,
 * since an L4 refuses to program a unit that is not erased, and a page that looks blank need not be
 * erased: it is erased whenever a copy begins.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "chip.h"
#include "flash.h"

#define REQUEST 0x08004000u
#define MARK 0x08004800u
#ifndef SLOT
#define SLOT 0x08008000u
#define STAGED 0x08080000u
#endif
#define LARGEST (256u * 1024u)
#define STGD 0x44475453u
#define DONE 0x454E4F44u

/* The variant: bring *size* bytes from STAGED to SLOT and mark them. False: the flash failed. */
bool install(uint32_t size);

/* Start what is in SLOT, *size* bytes that were asked for; 0: whatever is there. Comes back when
 * there is no image. */
void start_slot(uint32_t size);

bool erase_mark(void);
bool program_mark(uint32_t size);
bool copy(uint32_t offset, uint32_t size); /* from STAGED to SLOT, which is erased there */

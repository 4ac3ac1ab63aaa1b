/*
 * Frames over the USART that the boot ROM has set up.
 *
 *   00 | COBS of ( content | CRC-32 of content, 4 bytes, low byte first ) | 00
 *
 * COBS leaves no zero inside, so a zero always ends a frame, whatever was lost: nothing here waits
 * for a length, and no timer is needed. Frames are received into FRAME_COUNT buffers by line_poll,
 * which must be called at least once in the time of a byte, also while flash is busy.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define FRAME_COUNT 8u
#define FRAME_SIZE 2096u /* on the line, without zeros: a block, its header, CRC and COBS */
#define REPLY_SIZE 700u

void line_open(void);
uint32_t line_base(void);
uint32_t line_brr(void);

/* Take in a byte, if there is one. */
void line_poll(void);

/* line_poll, and the watchdog is refreshed: the body of every loop that waits. */
void line_wait(void);

/*
 * The next frame's content, without CRC, and its size; -1 for a frame that came damaged. It stays
 * valid until line_release.
 */
int32_t line_receive(uint8_t **content);
void line_release(void);

/* Send content[0 .. size), which must have room for 4 bytes more. */
void line_send(uint8_t *content, uint32_t size);

/* Wait until all is sent. */
void line_finish(void);

/*
 * Wait until all is sent, then change the speed. The old one comes back with the first byte or
 * frame that is damaged, unless line_trust was called before.
 */
void line_change_speed(uint32_t brr);
void line_trust(void);

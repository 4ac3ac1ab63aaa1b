/* What the module prints, as values: bytes in, however they were cut. The twin in Python is
 * mcu_updater/quectel/at.py, ResponseParser.
 *
 * Everything stands in one buffer, lines and package bytes alike, and is read there:
 *
 *     [payload that is held] ... [bytes that are still to be read] [room]
 *                                 at                                end
 */
#ifndef FWU_AT_H
#define FWU_AT_H

#include <stdbool.h>
#include <stdint.h>

#include "fwu_bytes.h"
#include "fwu_config.h"

#define FWU_AT_END_SIZE 4u /* bytes: CR LF CR LF behind a payload */

/* A payload that is held, and behind it a line of the greatest length. */
#define FWU_AT_BUFFER (FWU_PAYLOAD_MAX + FWU_LINE_MAX + 2u * FWU_AT_END_SIZE)

struct fwu_at {
    uint32_t start; /* of the payload that was announced */
    uint32_t size;
    uint32_t at;
    uint32_t end;
    uint32_t held_at; /* of the payload that is held */
    uint32_t held_size;
    bool holds;
    bool ends_cr;       /* the module was heard to end lines by CR LF */
    uint8_t header_end; /* the byte that ended the header; 0: no payload was announced */
    uint8_t buffer[FWU_AT_BUFFER];
};

enum fwu_value_kind {
    FWU_VALUE_NONE,
    FWU_VALUE_OK,      /* final result */
    FWU_VALUE_ERROR,   /* final result: ERROR, +CME ERROR, +CMS ERROR */
    FWU_VALUE_LINE,    /* any other line: an answer's text, an echo, noise */
    FWU_VALUE_PAYLOAD, /* +QIOTOTARD: start,n and the n bytes behind it */
    FWU_VALUE_EVENT    /* +QIOTEVT: type,code[,arguments] */
};

struct fwu_value {
    uint8_t kind; /* enum fwu_value_kind */
    bool clean;   /* PAYLOAD: ends as it should; else a byte was lost or added, or that is its style */
    uint16_t type; /* EVENT: 0 where it cannot be read; 65535 stands for all above */
    uint16_t code; /* EVENT: likewise */
    uint32_t start; /* PAYLOAD: 2^32 - 1 stands for all above */
    const char *text; /* LINE, EVENT: size bytes, valid until fwu_at_room; of an event its arguments */
    uint32_t size; /* or of the payload, which is held: fwu_at_payload */
};

void fwu_at_begin(struct fwu_at *at);

/* Where the next bytes go, and how many fit: one at least. Call fwu_at_took with how many came. */
uint8_t *fwu_at_room(struct fwu_at *at, uint32_t *size);
void fwu_at_took(struct fwu_at *at, uint32_t size);

/* The next value of what came. False where that takes more bytes. */
bool fwu_at_take(struct fwu_at *at, struct fwu_value *value);

/* The last payload, which stays until fwu_at_release, or until the next one is announced. */
struct fwu_bytes fwu_at_payload(const struct fwu_at *at);
void fwu_at_release(struct fwu_at *at);

/* Forget a half-received line or payload: its answer has been given up. */
void fwu_at_reset(struct fwu_at *at);

#endif

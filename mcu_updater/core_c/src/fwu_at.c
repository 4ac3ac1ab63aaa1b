#include "fwu_at.h"

#include <string.h>

#include "fwu_scan.h"

#define CR 0x0Du
#define LF 0x0Au
#define TEN_DIGITS 10u

static const char answer_end[] = "\r\n\r\nOK\r\n"; /* begins with the end of a payload */
#define ANSWER_END_SIZE (sizeof answer_end - 1u)

void fwu_at_begin(struct fwu_at *at)
{
    memset(at, 0, sizeof *at);
}

void fwu_at_release(struct fwu_at *at)
{
    at->holds = false;
}

void fwu_at_reset(struct fwu_at *at)
{
    at->at = 0;
    at->end = 0;
    at->holds = false;
    at->header_end = 0;
}

struct fwu_bytes fwu_at_payload(const struct fwu_at *at)
{
    struct fwu_bytes payload = {at->buffer + at->held_at, at->held_size};

    return payload;
}

/* Close the gap in front of what stands at from. */
static void move_down(struct fwu_at *at, uint32_t to, uint32_t from)
{
    memmove(at->buffer + to, at->buffer + from, at->end - from);
    at->end = at->end - (from - to);
}

uint8_t *fwu_at_room(struct fwu_at *at, uint32_t *size)
{
    uint32_t from = at->holds ? at->held_at : at->at;

    move_down(at, 0, from);
    at->at = at->at - from;
    at->held_at = 0;
    if (at->holds && at->at > at->held_size) {
        move_down(at, at->held_size, at->at);
        at->at = at->held_size;
    }
    *size = FWU_AT_BUFFER - at->end;
    return at->buffer + at->end;
}

void fwu_at_took(struct fwu_at *at, uint32_t size)
{
    at->end = at->end + size;
}

/* --- lines */

static bool is_line_end(uint8_t byte)
{
    return byte == CR || byte == LF;
}

/* "+QIOTOTARD: start,size", and nothing else. */
static bool read_header(struct fwu_at *at, struct fwu_scan line)
{
    uint32_t start, size;

    if (!fwu_scan_word(&line, "+QIOTOTARD:") ||
        !fwu_scan_pair(&line, TEN_DIGITS, &start, &size) || !fwu_scan_is_empty(&line) ||
        size > FWU_PAYLOAD_MAX) {
        return false;
    }
    at->start = start;
    at->size = size;
    return true;
}

static uint16_t at_most_16_bits(uint32_t value)
{
    return (uint16_t)(value < UINT16_MAX ? value : UINT16_MAX);
}

/* Behind "+QIOTEVT". Where it cannot be read, value stays as it is. */
static void read_event(struct fwu_scan line, struct fwu_value *value)
{
    uint32_t type, code;

    if (fwu_scan_char(&line, ':') && fwu_scan_pair(&line, UINT32_MAX, &type, &code) &&
        (fwu_scan_is_empty(&line) || fwu_scan_char(&line, ','))) {
        value->type = at_most_16_bits(type);
        value->code = at_most_16_bits(code);
        value->text = line.at;
        value->size = (uint32_t)(line.end - line.at);
    }
}

static bool is_error(const struct fwu_scan *line)
{
    struct fwu_scan rest = *line;

    return fwu_scan_is(line, "ERROR") || fwu_scan_word(&rest, "+CME ERROR") ||
           fwu_scan_word(&rest, "+CMS ERROR");
}

/* What one line means by itself. */
static void classify(const struct fwu_scan *line, struct fwu_value *value)
{
    struct fwu_scan rest = *line;

    value->kind = FWU_VALUE_LINE;
    value->text = line->at;
    value->size = (uint32_t)(line->end - line->at);
    if (fwu_scan_word(&rest, "+QIOTEVT")) {
        value->kind = FWU_VALUE_EVENT;
        value->type = 0;
        value->code = 0;
        read_event(rest, value);
    } else if (fwu_scan_is(line, "OK")) {
        value->kind = FWU_VALUE_OK;
    } else if (is_error(line)) {
        value->kind = FWU_VALUE_ERROR;
    }
}

/* False: more bytes are needed. A line that is too long is cut, and announces no payload. */
static bool take_line(struct fwu_at *at, struct fwu_value *value)
{
    struct fwu_scan line;
    uint32_t stop, limit, longest;

    while (at->at < at->end && is_line_end(at->buffer[at->at])) {
        at->at++;
    }
    longest = at->at + (uint32_t)FWU_LINE_MAX;
    limit = longest < at->end ? longest : at->end;
    for (stop = at->at; stop < limit && !is_line_end(at->buffer[stop]); stop++) {
    }
    if (stop == limit && limit < longest) {
        return false;
    }
    line.at = (const char *)at->buffer + at->at;
    line.end = (const char *)at->buffer + stop;
    fwu_scan_strip(&line);
    at->at = stop;
    if (stop < limit) {
        at->at++;
        if (read_header(at, line)) {
            at->header_end = at->buffer[stop];
            at->holds = false; /* the next one needs its place */
            return true;
        }
    }
    if (!fwu_scan_is_empty(&line)) {
        classify(&line, value);
    }
    return true;
}

/* --- payloads */

static bool stands_at(const struct fwu_at *at, uint32_t offset, uint32_t size)
{
    return memcmp(at->buffer + offset, answer_end, size) == 0;
}

/* How much of the end of an answer the count took for data, because data were lost. Looks no further
 * than the bytes that a payload waits for, however they were cut. */
static uint32_t swallowed(const struct fwu_at *at, uint32_t stop)
{
    uint32_t size, seen;

    for (size = 1; size <= ANSWER_END_SIZE && size <= at->size; size++) {
        seen = size + FWU_AT_END_SIZE;
        if (stands_at(at, stop - size, seen < ANSWER_END_SIZE ? seen : ANSWER_END_SIZE)) {
            return size;
        }
    }
    return 0;
}

/* Counts, and never looks inside; but looks at what follows. After a header that was ended by LF alone
 * one LF is enough: it may have lost its CR, or the module has a style of its own. */
static bool take_payload(struct fwu_at *at, struct fwu_value *value)
{
    uint32_t first = at->at;
    uint32_t stop, lost;
    bool by_lf = at->header_end == LF && !at->ends_cr;

    if (at->header_end != LF && first < at->end && at->buffer[first] == LF) {
        first++;
    }
    stop = first + at->size;
    if (at->end < stop + FWU_AT_END_SIZE) {
        return false;
    }
    lost = swallowed(at, stop);
    if (by_lf) {
        value->clean = at->buffer[stop] == LF && lost == 0;
    } else {
        value->clean = stands_at(at, stop, FWU_AT_END_SIZE);
        at->ends_cr = at->ends_cr || value->clean;
    }
    value->kind = FWU_VALUE_PAYLOAD;
    value->start = at->start;
    value->size = at->size;
    at->holds = true;
    at->held_at = first;
    at->held_size = at->size;
    at->header_end = 0;
    at->at = value->clean ? stop : stop - lost;
    return true;
}

bool fwu_at_take(struct fwu_at *at, struct fwu_value *value)
{
    bool goes_on;

    value->kind = FWU_VALUE_NONE;
    do {
        goes_on = at->header_end != 0 ? take_payload(at, value) : take_line(at, value);
    } while (goes_on && value->kind == FWU_VALUE_NONE);
    return goes_on;
}

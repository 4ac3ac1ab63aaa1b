#include "fwu_event.h"

#include <stddef.h>
#include <string.h>

#include "fwu_scan.h"

#define MOST_ARGUMENTS 6u
#define TEN_DIGITS 10u
#define CODE_PLAN 10700u
#define CODE_STARTED 10701u
#define CODE_PIECE 10703u
#define CODE_LAST 10706u

/* --- texts */

uint32_t fwu_event_crc(uint32_t type, const char *arguments, uint32_t size)
{
    return fwu_crc32(type, (const uint8_t *)arguments, size);
}

void fwu_mark_set(struct fwu_mark *mark, const char *name, uint32_t size)
{
    mark->size = size;
    mark->crc = fwu_crc32(0, (const uint8_t *)name, size);
}

bool fwu_mark_is(const struct fwu_mark *mark, const char *name, uint32_t size)
{
    return mark->size == size && mark->crc == fwu_crc32(0, (const uint8_t *)name, size);
}

/* --- numbers and digests */

/* A number of 32 bits, in ten digits at most, and nothing else. */
static bool read_unsigned(struct fwu_scan token, uint32_t *value)
{
    bool fits;
    uint32_t digits = fwu_scan_number(&token, value, &fits);

    return fits && digits - 1u < TEN_DIGITS && fwu_scan_is_empty(&token);
}

static bool read_digest(struct fwu_scan token, uint8_t *digest, uint32_t size)
{
    uint32_t i;

    if ((uint32_t)(token.end - token.at) != 2u * size) {
        return false;
    }
    for (i = 0; i < size; i++) {
        uint32_t byte = fwu_hex_byte((const uint8_t *)token.at + 2u * i);

        if (byte > UINT8_MAX) {
            return false;
        }
        digest[i] = (uint8_t)byte;
    }
    return true;
}

/* The fifth argument of 10701 is a digest, unless it is empty or a URL stands in its place. */
static bool is_digest(struct fwu_scan token)
{
    struct fwu_scan head;

    if (fwu_scan_is_empty(&token)) {
        return false;
    }
    while (fwu_scan_until(&token, ':', &head)) {
        if (fwu_scan_word(&token, "//")) {
            return false;
        }
    }
    return true;
}

/* --- arguments */

enum shape {
    NAME, /* a text that is not empty */
    MARK, /* any text */
    TEXT, /* one that is kept */
    MD5,
    SHA256,
    NUMBER, /* and below: numbers */
    SIGNED,
    IGNORED
};

struct argument {
    uint8_t shape;
    uint8_t at; /* offset in struct fwu_event's is */
};

#define IN(event, shape, field) {shape, offsetof(struct event, field)}

static const struct argument arguments_of[] = {
    IN(fwu_plan, NAME, component), IN(fwu_plan, MARK, source), IN(fwu_plan, TEXT, target),
    IN(fwu_plan, NUMBER, battery), IN(fwu_plan, SIGNED, signal), IN(fwu_plan, NUMBER, space),

    IN(fwu_started, NAME, component), IN(fwu_started, NUMBER, package.length),
    IN(fwu_started, MD5, package.md5), {IGNORED, 0}, /* its CRC is of an unknown algorithm */
    IN(fwu_started, SHA256, package.sha256),

    IN(fwu_piece, NAME, component), IN(fwu_piece, NUMBER, length), IN(fwu_piece, NUMBER, start),
    IN(fwu_piece, NUMBER, size)};

/* By code, from CODE_PLAN on: the first of them, and how many are needed. */
static const struct {
    uint8_t first;
    uint8_t needed;
} rows[] = {{0, 6}, {6, 4}, {0, 0}, {11, 4}, {0, 0}, {0, 0}, {0, 0}};

static bool read_number(enum shape shape, struct fwu_scan token, void *to)
{
    bool is_negative = shape == SIGNED && fwu_scan_char(&token, '-');
    uint32_t *value = to;
    int64_t *signed_value = to;
    uint32_t number;

    if (!read_unsigned(token, &number)) {
        return false;
    }
    if (shape == SIGNED) {
        *signed_value = is_negative ? -(int64_t)number : (int64_t)number;
    } else if (shape == NUMBER) {
        *value = number;
    }
    return true;
}

static bool read_text(enum shape shape, struct fwu_scan token, void *to)
{
    struct fwu_text *text = to; /* which begins as a mark does */
    uint32_t size = (uint32_t)(token.end - token.at);

    fwu_mark_set(to, token.at, size);
    if (shape == TEXT) {
        memcpy(text->text, token.at, size < sizeof text->text ? size : sizeof text->text);
    }
    return shape != NAME || size > 0;
}

static bool read_argument(enum shape shape, struct fwu_scan token, void *to)
{
    if (shape >= NUMBER) {
        return read_number(shape, token, to);
    }
    fwu_scan_unquote(&token);
    if (shape >= MD5) {
        return read_digest(token, to, shape == MD5 ? 16 : 32);
    }
    return read_text(shape, token, to);
}

static bool is_inside(const struct fwu_piece *piece)
{
    return piece->size > 0 && piece->start <= piece->length &&
           piece->size <= piece->length - piece->start;
}

static bool read_arguments(struct fwu_event *event, const char *arguments, uint32_t size)
{
    struct fwu_scan tokens[MOST_ARGUMENTS];
    struct fwu_scan all = {arguments, arguments + size};
    uint32_t count = fwu_scan_split(all, tokens, MOST_ARGUMENTS);
    uint32_t row = event->code - CODE_PLAN;
    uint32_t most = rows[row].needed;
    uint32_t i;

    if (count < most) {
        return false;
    }
    if (event->code == CODE_STARTED && count > most && is_digest(tokens[most])) {
        event->is.started.has_sha256 = true;
        most++;
    }
    for (i = 0; i < most; i++) {
        const struct argument *argument = &arguments_of[rows[row].first + i];

        if (!read_argument((enum shape)argument->shape, tokens[i],
                           (uint8_t *)&event->is + argument->at)) {
            return false;
        }
    }
    return event->code != CODE_PIECE || is_inside(&event->is.piece);
}

void fwu_event_parse(struct fwu_event *event, uint32_t type, uint32_t code, const char *arguments,
                     uint32_t size)
{
    memset(event, 0, sizeof *event);
    event->code = (uint16_t)code;
    event->size = (uint16_t)size;
    event->crc = fwu_event_crc(type, arguments, size);
    if (type != FWU_EVENT_TYPE) {
        event->kind = FWU_EVENT_MALFORMED;
    } else if (code < CODE_PLAN || code > CODE_LAST ||
               (size == 0 && (code == CODE_STARTED || code == CODE_PIECE))) {
        event->kind = FWU_EVENT_OTHER; /* without arguments: of the module's own firmware */
    } else if (!read_arguments(event, arguments, size)) {
        event->kind = FWU_EVENT_MALFORMED;
    } else {
        event->kind = (uint8_t)(FWU_EVENT_PLAN + (code - CODE_PLAN));
    }
}

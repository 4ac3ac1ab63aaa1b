#include "fwu_event.h"

#include <string.h>

#include "fwu_scan.h"

#define MOST_ARGUMENTS 6u
#define TEN_DIGITS 10u
#define CODE_PLAN 10700u
#define CODE_STARTED 10701u
#define CODE_PIECE 10703u
#define CODE_LAST 10706u

static uint32_t crc_of(uint32_t seed, const char *text, uint32_t size)
{
    return fwu_crc32(seed, (const uint8_t *)text, size);
}

uint32_t fwu_event_crc(uint32_t type, const char *arguments, uint32_t size)
{
    return crc_of(type, arguments, size);
}

/* --- texts */

void fwu_mark_set(struct fwu_mark *mark, const char *name, uint32_t size)
{
    mark->size = (uint16_t)size;
    mark->crc = crc_of(0, name, size);
}

bool fwu_same_mark(const struct fwu_mark *one, const struct fwu_mark *other)
{
    return one->size == other->size && one->crc == other->crc;
}

bool fwu_mark_is(const struct fwu_mark *mark, const char *name, uint32_t size)
{
    return mark->size == size && mark->crc == crc_of(0, name, size);
}

bool fwu_same_text(const struct fwu_text *one, const struct fwu_text *other)
{
    return one->size == other->size && one->crc == other->crc;
}

bool fwu_text_is(const struct fwu_text *text, const char *name, uint32_t size)
{
    return text->size == size && text->crc == crc_of(0, name, size);
}

static void set_mark(struct fwu_mark *mark, struct fwu_scan token)
{
    fwu_scan_unquote(&token);
    fwu_mark_set(mark, token.at, (uint32_t)(token.end - token.at));
}

static void set_text(struct fwu_text *text, struct fwu_scan token)
{
    struct fwu_mark mark;

    set_mark(&mark, token);
    fwu_scan_unquote(&token);
    text->size = mark.size;
    text->crc = mark.crc;
    memcpy(text->text, token.at, mark.size < sizeof text->text ? mark.size : sizeof text->text);
}

/* --- numbers and digests */

/* A number of 32 bits, in ten digits at most, and nothing else. */
static bool read_unsigned(struct fwu_scan token, uint32_t *value)
{
    bool fits;
    uint32_t digits = fwu_scan_number(&token, value, &fits);

    return fits && digits - 1u < TEN_DIGITS && fwu_scan_is_empty(&token);
}

static bool read_signed(struct fwu_scan token, int64_t *value)
{
    bool is_negative = fwu_scan_char(&token, '-');
    uint32_t magnitude;

    if (!read_unsigned(token, &magnitude)) {
        return false;
    }
    *value = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

static bool read_hex_digit(char c, uint8_t *value)
{
    char lower = (char)(c | 0x20);

    if (c >= '0' && c <= '9') {
        *value = (uint8_t)(c - '0');
        return true;
    }
    *value = (uint8_t)(lower - 'a' + 10);
    return lower >= 'a' && lower <= 'f';
}

static bool read_digest(struct fwu_scan token, uint8_t *digest, uint32_t size)
{
    uint32_t i;
    uint8_t high, low;

    fwu_scan_unquote(&token);
    if ((uint32_t)(token.end - token.at) != 2u * size) {
        return false;
    }
    for (i = 0; i < size; i++) {
        if (!read_hex_digit(token.at[2u * i], &high) ||
            !read_hex_digit(token.at[2u * i + 1u], &low)) {
            return false;
        }
        digest[i] = (uint8_t)((high << 4) | low);
    }
    return true;
}

/* --- events */

static bool read_plan(struct fwu_plan *plan, const struct fwu_scan *tokens, uint32_t count)
{
    if (count < 6) {
        return false;
    }
    set_mark(&plan->component, tokens[0]);
    set_mark(&plan->source, tokens[1]);
    set_text(&plan->target, tokens[2]);
    return plan->component.size > 0 && read_unsigned(tokens[3], &plan->battery) &&
           read_signed(tokens[4], &plan->signal) && read_unsigned(tokens[5], &plan->space);
}

/* The fifth argument is a digest, unless it is empty or a URL stands in its place. */
static bool is_digest(struct fwu_scan token)
{
    struct fwu_scan head;
    bool is_url = false;

    if (fwu_scan_is_empty(&token)) {
        return false;
    }
    while (!is_url && fwu_scan_until(&token, ':', &head)) {
        is_url = fwu_scan_word(&token, "//");
    }
    return !is_url;
}

static bool read_started(struct fwu_started *started, const struct fwu_scan *tokens, uint32_t count)
{
    struct fwu_package *package = &started->package;
    uint32_t crc; /* algorithm unknown: never checked */

    if (count < 4) {
        return false;
    }
    set_mark(&started->component, tokens[0]);
    started->has_sha256 = count > 4 && is_digest(tokens[4]);
    return started->component.size > 0 && read_unsigned(tokens[1], &package->length) &&
           read_digest(tokens[2], package->md5, sizeof package->md5) &&
           read_unsigned(tokens[3], &crc) &&
           (!started->has_sha256 ||
            read_digest(tokens[4], package->sha256, sizeof package->sha256));
}

static bool read_piece(struct fwu_piece *piece, const struct fwu_scan *tokens, uint32_t count)
{
    if (count < 4) {
        return false;
    }
    set_mark(&piece->component, tokens[0]);
    return piece->component.size > 0 && read_unsigned(tokens[1], &piece->length) &&
           read_unsigned(tokens[2], &piece->start) && read_unsigned(tokens[3], &piece->size) &&
           piece->size > 0 && piece->start <= piece->length &&
           piece->size <= piece->length - piece->start;
}

static bool read_arguments(struct fwu_event *event, const char *arguments, uint32_t size)
{
    struct fwu_scan tokens[MOST_ARGUMENTS];
    struct fwu_scan all = {arguments, arguments + size};
    uint32_t count = fwu_scan_split(all, tokens, MOST_ARGUMENTS);

    switch (event->code) {
    case CODE_PLAN:
        return read_plan(&event->is.plan, tokens, count);
    case CODE_STARTED:
        return read_started(&event->is.started, tokens, count);
    default:
        return read_piece(&event->is.piece, tokens, count);
    }
}

static bool has_arguments(uint32_t code)
{
    return code == CODE_PLAN || code == CODE_STARTED || code == CODE_PIECE;
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
    } else if (has_arguments(code) && !read_arguments(event, arguments, size)) {
        event->kind = FWU_EVENT_MALFORMED;
    } else {
        event->kind = (uint8_t)(FWU_EVENT_PLAN + (code - CODE_PLAN));
    }
}

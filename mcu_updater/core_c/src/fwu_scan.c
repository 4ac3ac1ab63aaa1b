#include "fwu_scan.h"

#include <stddef.h>

static bool is_blank(char c)
{
    uint8_t byte = (uint8_t)c;

    return (byte >= 0x09 && byte <= 0x0D) || (byte >= 0x1C && byte <= 0x20) || byte == 0x85 ||
           byte == 0xA0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool fwu_scan_is_empty(const struct fwu_scan *scan)
{
    return scan->at == scan->end;
}

void fwu_scan_blanks(struct fwu_scan *scan)
{
    while (scan->at < scan->end && is_blank(*scan->at)) {
        scan->at++;
    }
}

void fwu_scan_strip(struct fwu_scan *scan)
{
    fwu_scan_blanks(scan);
    while (scan->end > scan->at && is_blank(scan->end[-1])) {
        scan->end--;
    }
}

bool fwu_scan_char(struct fwu_scan *scan, char wanted)
{
    bool found = scan->at < scan->end && *scan->at == wanted;

    if (found) {
        scan->at++;
    }
    return found;
}

bool fwu_scan_word(struct fwu_scan *scan, const char *word)
{
    const char *at = scan->at;

    for (; *word != '\0'; word++, at++) {
        if (at == scan->end || *at != *word) {
            return false;
        }
    }
    scan->at = at;
    return true;
}

bool fwu_scan_is(const struct fwu_scan *scan, const char *word)
{
    struct fwu_scan rest = *scan;

    return fwu_scan_word(&rest, word) && fwu_scan_is_empty(&rest);
}

uint32_t fwu_scan_number(struct fwu_scan *scan, uint32_t *value, bool *fits)
{
    uint32_t count = 0;

    *value = 0;
    *fits = true;
    for (; scan->at < scan->end && is_digit(*scan->at); scan->at++, count++) {
        uint32_t digit = (uint32_t)(uint8_t)(*scan->at - '0');

        *fits = *fits && *value <= (UINT32_MAX - digit) / 10u;
        *value = *fits ? *value * 10u + digit : UINT32_MAX;
    }
    return count;
}

static bool take_number(struct fwu_scan *scan, uint32_t most, uint32_t *value)
{
    bool fits;
    uint32_t digits;

    fwu_scan_blanks(scan);
    digits = fwu_scan_number(scan, value, &fits);
    fwu_scan_blanks(scan);
    return digits > 0 && digits <= most;
}

bool fwu_scan_pair(struct fwu_scan *scan, uint32_t most, uint32_t *first, uint32_t *second)
{
    return take_number(scan, most, first) && fwu_scan_char(scan, ',') &&
           take_number(scan, most, second);
}

bool fwu_scan_until(struct fwu_scan *scan, char separator, struct fwu_scan *head)
{
    head->at = scan->at;
    while (scan->at < scan->end && *scan->at != separator) {
        scan->at++;
    }
    head->end = scan->at;
    return fwu_scan_char(scan, separator);
}

/* Behind the quote that ends the string: the first one before a comma or the end. NULL: there is none. */
static const char *end_of_string(const struct fwu_scan *scan)
{
    struct fwu_scan rest = {scan->at + 1, scan->end};
    struct fwu_scan text;

    while (fwu_scan_until(&rest, '"', &text)) {
        const char *end = rest.at;

        fwu_scan_blanks(&rest);
        if (fwu_scan_is_empty(&rest) || *rest.at == ',') {
            return end;
        }
    }
    return NULL;
}

/* One token up to its comma or the end; false where quotes do not match. */
static bool take_token(struct fwu_scan *scan, struct fwu_scan *token)
{
    fwu_scan_blanks(scan);
    token->at = scan->at;
    if (scan->at < scan->end && *scan->at == '"') {
        scan->at = end_of_string(scan);
        if (scan->at == NULL) {
            return false;
        }
        token->end = scan->at;
        fwu_scan_blanks(scan);
        return true;
    }
    while (scan->at < scan->end && *scan->at != ',') {
        if (*scan->at++ == '"') {
            return false;
        }
    }
    token->end = scan->at;
    fwu_scan_strip(token);
    return true;
}

uint32_t fwu_scan_split(struct fwu_scan scan, struct fwu_scan *tokens, uint32_t most)
{
    struct fwu_scan token;
    uint32_t count = 0;

    do {
        if (!take_token(&scan, &token)) {
            return 0;
        }
        if (count < most) {
            tokens[count] = token;
        }
        count++;
    } while (fwu_scan_char(&scan, ','));
    return count;
}

void fwu_scan_unquote(struct fwu_scan *token)
{
    if (token->end - token->at >= 2 && *token->at == '"' && token->end[-1] == '"') {
        token->at++;
        token->end--;
    }
}

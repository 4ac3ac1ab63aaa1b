#include <string.h>

#include "fwu_image.h"
#include "fwu_tables.h" /* fwu_magics */

#define FOUR 4u          /* bytes that tell a Cortex-M image and every format but tar */
#define WINDOW 16u       /* bytes that tell text from anything else */
#define CODED_WINDOW 64u /* and text in other codes than ASCII and UTF-8 */
#define EMPTY_LINES 1024u /* bytes of empty lines that are looked behind */
#define SHORTEST_TEXT 4u  /* characters, where padding follows */
#define TAR_MAGIC_AT 257u
#define TAR_MAGIC_SIZE 5u

static const uint8_t mark[3] = {0xEFu, 0xBBu, 0xBFu}; /* byte order mark of UTF-8 */

/* What a byte may stand in. */
#define PLAIN 1u   /* text in ASCII */
#define FOREIGN 2u /* a text in UTF-8, whatever its alphabet */
#define CODED 4u   /* a text in a code of 8 bits or of several bytes, or with colours for a terminal */
#define PADDING 8u

static uint32_t classes(uint32_t byte)
{
    static const uint8_t of_controls[32] = {
        [0] = PADDING, ['\b'] = CODED, ['\t'] = PLAIN | FOREIGN | CODED,
        ['\n'] = PLAIN | FOREIGN | CODED, ['\v'] = CODED, ['\f'] = PLAIN | FOREIGN | CODED,
        ['\r'] = PLAIN | FOREIGN | CODED, [0x1A] = PADDING, [0x1B] = CODED};

    if (byte < sizeof of_controls) {
        return of_controls[byte];
    }
    if (byte >= 0x80u) {
        return byte == 0xFFu ? FOREIGN | CODED | PADDING : FOREIGN | CODED;
    }
    return byte == 0x7Fu ? 0 : PLAIN | FOREIGN | CODED;
}

/* How many bytes are of class. */
static uint32_t count(uint32_t class, const uint8_t *first, uint32_t size)
{
    uint32_t counted = 0;
    uint32_t i;

    for (i = 0; i < size; i++) {
        counted += (classes(first[i]) & class) != 0;
    }
    return counted;
}

static uint32_t at_most(uint32_t size, uint32_t most)
{
    return size < most ? size : most;
}

static uint32_t without_padding(const uint8_t *first, uint32_t size)
{
    while (size > 0 && (classes(first[size - 1u]) & PADDING) != 0) {
        size--;
    }
    return size;
}

static bool begins_with(const uint8_t *first, uint32_t size, const void *magic, uint32_t length)
{
    return size >= length && memcmp(first, magic, length) == 0;
}

/* --- kinds of text */

static bool may_be_coded(const uint8_t *start, uint32_t size)
{
    size = at_most(size, WINDOW);
    return count(CODED, start, size) == size;
}

static bool is_coded_text(const uint8_t *start, uint32_t size)
{
    uint32_t head = without_padding(start, at_most(size, CODED_WINDOW));
    uint32_t plain = count(PLAIN, start, head);

    if (count(CODED, start, head) < head) {
        return false;
    }
    if (head == CODED_WINDOW) {
        return plain >= CODED_WINDOW / 8u;
    }
    return size < CODED_WINDOW && head >= WINDOW && plain * 4u >= head * 3u;
}

/* UTF-16 of plain characters: every other byte is zero. */
static bool may_be_wide(const uint8_t *start, uint32_t size)
{
    uint32_t zero;

    for (zero = 0; zero < 2; zero++) {
        uint32_t i = 0;

        while (i < size && (i % 2u == zero ? start[i] == 0 : (classes(start[i]) & PLAIN) != 0)) {
            i++;
        }
        if (i == size) {
            return true;
        }
    }
    return false;
}

static bool is_text(const uint8_t *start, uint32_t size)
{
    uint32_t head = at_most(size, WINDOW);
    uint32_t text = without_padding(start, head);
    uint32_t plain = count(PLAIN, start, text);

    if (text == 0 || (text < head && text < SHORTEST_TEXT)) {
        return false;
    }
    if (text - plain <= (text == WINDOW ? 1u : 0u)) { /* one strange byte of 16: no difference */
        return true;
    }
    if (text == head && count(FOREIGN, start, text) == text && fwu_is_utf8(start, text, true)) {
        return true;
    }
    return is_coded_text(start, size);
}

/* --- magics */

/* '@' and 3 hex digits, or 2 and the end of a line; or '@' and text. */
static bool is_ti_txt(const uint8_t *first, uint32_t size)
{
    uint32_t digits = 0;
    uint32_t end;

    if (size == 0 || first[0] != '@') {
        return false;
    }
    while (digits < 3 && 1u + digits < size && fwu_hex_digit(first[1u + digits]) != FWU_NO_DIGIT) {
        digits++;
    }
    end = 1u + digits;
    if (digits == 2) {
        end += end < size && first[end] == '\r';
        digits += end < size && first[end] == '\n';
    }
    return digits == 3 || (size >= WINDOW && is_text(first, size));
}

static bool is_hex(const uint8_t *first, uint32_t size)
{
    return size > 0 && first[0] == ':';
}

static bool is_srec(const uint8_t *first, uint32_t size)
{
    return size > 1 && (first[0] == 'S' || first[0] == 's') && fwu_hex_digit(first[1]) < 10u;
}

/* Whether one of count magics stands there: each has its length before it. */
static bool has_magic(const uint8_t *first, uint32_t size, uint32_t number, const uint8_t *magics)
{
    for (; number > 0; number--) {
        uint32_t length = *magics++;

        if (begins_with(first, size, magics, length)) {
            return true;
        }
        magics += length;
    }
    return false;
}

/* A magic of what Python reads: those at the beginning of the table. */
static bool is_known(const uint8_t *first, uint32_t size)
{
    return is_hex(first, size) || is_srec(first, size) || is_ti_txt(first, size) ||
           has_magic(first, size, FWU_MAGICS_READ, fwu_magics);
}

/* A name of any length, that begins like nothing else and is no stack pointer. */
static bool may_be_tar(const uint8_t *first, uint32_t size)
{
    uint8_t word[FOUR] = {0, 0, 0, 0};
    uint32_t length = 0;
    uint32_t stack;

    if (size == 0 || is_known(first, size)) {
        return false;
    }
    memcpy(word, first, at_most(size, FOUR));
    stack = fwu_get_u32(word);
    if (stack % 4u == 0 && stack >= FWU_STACK_FIRST && stack <= FWU_STACK_LAST) {
        return false;
    }
    while (length < FOUR && word[length] != 0) {
        length++;
    }
    return word[0] >= ' ' && fwu_is_utf8(word, length, true);
}

/* Whether no more bytes can change the answer: a magic, or too much that is no text. */
static bool is_told(const uint8_t four[FOUR])
{
    bool may_be_text = count(PLAIN, four, FOUR) + 1u >= FOUR || may_be_coded(four, FOUR) ||
                       may_be_wide(four, FOUR);

    return !(may_be_text || may_be_tar(four, FOUR)) || is_known(four, FOUR);
}

/* --- the answers */

/* Bytes of a byte order mark and of empty lines that first begins with. */
static uint32_t skipped(const uint8_t *first, uint32_t size, uint32_t empty)
{
    uint32_t at = empty == 0 && begins_with(first, size, mark, sizeof mark) ? sizeof mark : 0;

    while (at < size && (first[at] == '\n' || first[at] == '\r')) {
        at++;
    }
    return at;
}

uint32_t fwu_sniff_size(const uint8_t *first, uint32_t size, uint32_t empty)
{
    uint32_t at = skipped(first, size, empty);
    const uint8_t *start = first + at;
    uint32_t left = size - at;
    uint32_t before = empty + at;

    if (before > EMPTY_LINES) {
        return before;
    }
    if (left < FOUR || is_told(start)) {
        return before + FOUR;
    }
    if (before == 0 && may_be_tar(first, size)) {
        return TAR_MAGIC_AT + TAR_MAGIC_SIZE;
    }
    return before + (may_be_coded(start, left) ? CODED_WINDOW : WINDOW);
}

bool fwu_has_byte_order_mark(const uint8_t *first, uint32_t size)
{
    return begins_with(first, size, mark, sizeof mark) ||
           begins_with(first, size, "\xFF\xFE", 2) || begins_with(first, size, "\xFE\xFF", 2);
}

static bool is_tar(const uint8_t *first, uint32_t size)
{
    return size >= TAR_MAGIC_AT + TAR_MAGIC_SIZE &&
           memcmp(first + TAR_MAGIC_AT, "ustar", TAR_MAGIC_SIZE) == 0 && may_be_tar(first, size);
}

enum fwu_fault fwu_sniff(const uint8_t *first, uint32_t size, uint32_t empty,
                         enum fwu_format *format)
{
    uint32_t at = skipped(first, size, empty);
    const uint8_t *start = first + at;
    uint32_t left = size - at;

    *format = FWU_FORMAT_UNKNOWN;
    if (size + empty == 0) {
        return FWU_FAULT_EMPTY;
    }
    if (empty == 0 && fwu_has_byte_order_mark(first, size)) {
        return FWU_FAULT_BYTE_ORDER_MARK;
    }
    if (has_magic(start, left, FWU_MAGICS, fwu_magics) || (empty == 0 && is_tar(first, size))) {
        return FWU_FAULT_FORMAT;
    }
    if (is_hex(start, left)) {
        *format = FWU_FORMAT_HEX;
    } else if (is_srec(start, left)) {
        *format = FWU_FORMAT_SREC;
    } else if (left == 0 || is_ti_txt(start, left) || is_text(start, left) ||
               (left >= 2u * FOUR && may_be_wide(start, 2u * FOUR))) {
        return FWU_FAULT_FORMAT;
    } else {
        *format = FWU_FORMAT_BIN;
    }
    return FWU_FAULT_NONE;
}

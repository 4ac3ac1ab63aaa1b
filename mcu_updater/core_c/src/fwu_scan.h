/* Text of the module, read from the left: Latin-1, of any content, not terminated.
 *
 * Blanks are those of Python's str.strip() and \s: U+0009 to U+000D, U+001C to U+0020, U+0085, U+00A0. */
#ifndef FWU_SCAN_H
#define FWU_SCAN_H

#include <stdbool.h>
#include <stdint.h>

struct fwu_scan {
    const char *at;
    const char *end;
};

/* The text without the blanks on both sides. */
void fwu_scan_strip(struct fwu_scan *scan);

void fwu_scan_blanks(struct fwu_scan *scan); /* pass over them */
bool fwu_scan_char(struct fwu_scan *scan, char wanted);
bool fwu_scan_word(struct fwu_scan *scan, const char *word);
bool fwu_scan_is(const struct fwu_scan *scan, const char *word); /* all of it */
bool fwu_scan_is_empty(const struct fwu_scan *scan);

/* All digits that stand here. Returns how many, 0 and more. *value is UINT32_MAX where they say more
 * than 32 bits hold; *fits is false then. */
uint32_t fwu_scan_number(struct fwu_scan *scan, uint32_t *value, bool *fits);

/* "first , second" with blanks around both: numbers as above, of at most most digits each. False where
 * something else stands here. */
bool fwu_scan_pair(struct fwu_scan *scan, uint32_t most, uint32_t *first, uint32_t *second);

/* The text in front of the first separator, which is passed over, too. Without one, all of it, and
 * false. */
bool fwu_scan_until(struct fwu_scan *scan, char separator, struct fwu_scan *head);

/* Split at commas outside quotes. The first of the tokens, most of them at most, are given: without
 * blanks around them, quotes stay on. Returns how many there are; 0 where quotes do not match: a
 * quote ends a string only before a comma or the end. */
uint32_t fwu_scan_split(struct fwu_scan scan, struct fwu_scan *tokens, uint32_t most);

/* Without its quotes; a bare token stays as it is. */
void fwu_scan_unquote(struct fwu_scan *token);

#endif

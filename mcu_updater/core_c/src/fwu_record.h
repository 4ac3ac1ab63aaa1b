/* What Intel HEX and S-records share: lines of hex digits with a length and a checksum. Private to the
 * decoders. The twin in Python is mcu_updater/core/image/records.py. */
#ifndef FWU_RECORD_H
#define FWU_RECORD_H

#include "fwu_image.h"

/* A line without its terminator. */
struct fwu_line {
    const uint8_t *text;
    uint32_t size;
};

/* How a line of one format is built. Counts are in bytes, indices in characters from 0. */
struct fwu_syntax {
    uint8_t mark;      /* what every line begins with, as a capital */
    uint8_t length_at; /* index of the length field's first digit */
    uint8_t shortest;  /* least number of bytes in a record, length and checksum included */
    uint8_t uncounted; /* bytes that the length field does not count */
    uint8_t good_sum;  /* low byte of the sum of all bytes, checksum included */
};

/* Where the data of a record go, and where they stand in it. size 0: it has none. */
struct fwu_placed {
    uint32_t address;
    uint32_t size;
    uint32_t first; /* index of the character that they begin with */
};

/* count bytes of two hex digits each as a number, big-endian. */
uint32_t fwu_hex_number(const uint8_t *digits, uint32_t count);

/* Characters in the longest line that can be a record, its terminator not included. */
uint32_t fwu_longest_line(const struct fwu_syntax *syntax);

/* Notes fault at column of line state.line. Returns false. */
bool fwu_refuse(struct fwu_decoder *decoder, enum fwu_fault fault, uint32_t column);

/* Whether line is a record as syntax says; else the first rule that it breaks is noted. */
bool fwu_is_record(struct fwu_decoder *decoder, const struct fwu_line *line,
                   const struct fwu_syntax *syntax);

/* Take one line, number state.line, that is not empty; false: a fault is noted. */
bool fwu_hex_take(struct fwu_decoder *decoder, const struct fwu_line *line,
                  struct fwu_placed *placed);
bool fwu_srec_take(struct fwu_decoder *decoder, const struct fwu_line *line,
                   struct fwu_placed *placed);

extern const struct fwu_syntax fwu_hex_syntax;
extern const struct fwu_syntax fwu_srec_syntax;

/* S-record, state.flags: as in a checkpoint. */
#define FWU_SREC_STARTED 1u /* a record that holds no data was seen */
#define FWU_SREC_COUNTED 2u /* the last record is a count, and right */
#define FWU_SREC_MIXED 4u   /* data records have addresses of several widths */

#endif

/* Decoders of .bin, Intel HEX and S-records: bytes in, extents out, however the bytes were cut. Read
 * strictly: what a record may be, and what is refused, stands in mcu_updater/core/image/, the twin in
 * Python, and in docs/reference/formats.md. */
#ifndef FWU_IMAGE_H
#define FWU_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "fwu_bytes.h"
#include "fwu_status.h"

enum fwu_format {
    FWU_FORMAT_UNKNOWN = 0, /* more bytes are needed */
    FWU_FORMAT_BIN = 1,     /* the values are those in a checkpoint */
    FWU_FORMAT_HEX = 2,
    FWU_FORMAT_SREC = 3
};

/* data belongs at address. It is valid until the next call that is given the decoder. */
struct fwu_extent {
    uint32_t address;
    const uint8_t *data;
    uint32_t size;
};

/* --- telling the format */

/* What begins with first is; needs fwu_sniff_size bytes, or the whole package. empty: how many bytes
 * of empty lines (CR, LF) came before first and are not in it. A fault refuses it: FWU_FAULT_FORMAT
 * for all that is none of the three, and may be read by the twin in Python (archives, TI-TXT). */
enum fwu_fault fwu_sniff(const uint8_t *first, uint32_t size, uint32_t empty,
                         enum fwu_format *format);
/* How many bytes fwu_sniff needs of what begins with first, those of empty counted. */
uint32_t fwu_sniff_size(const uint8_t *first, uint32_t size, uint32_t empty);
/* That of UTF-8 or UTF-16. */
bool fwu_has_byte_order_mark(const uint8_t *first, uint32_t size);

/* Bytes from the beginning of a package, at most, that the answer of either hangs on: empty lines, and
 * what stands behind them. Where all of them are empty lines, see empty. */
#define FWU_SNIFF_MAX 1088u

/* --- decoders */

#define FWU_LINE_SIZE 523u /* the longest legal line of a record, CR and one byte more */

/* All that a decoder knows but the bytes of the incomplete last line. */
struct fwu_decoder_state {
    uint8_t format;    /* enum fwu_format */
    uint8_t base_type; /* HEX: type of its base records; S-record: widest address, in bytes; 0: none */
    uint8_t flags;     /* S-record */
    bool has_entry;
    bool has_data;
    bool ended;
    uint16_t held;     /* bytes of the incomplete last line */
    uint32_t base;     /* BIN: address of byte 0; HEX: of the window */
    uint32_t offset;   /* BIN: bytes so far; S-record: data records so far */
    uint32_t entry;
    uint32_t line;     /* lines that have ended */
};

struct fwu_decoder {
    struct fwu_decoder_state state;
    uint8_t fault;   /* enum fwu_fault: the rule that was broken, if any; no call is allowed then */
    uint16_t column; /* of fault, from 1, in line state.line; 0 where the format has no lines */
    uint8_t text[FWU_LINE_SIZE]; /* the incomplete last line; or the data of an extent */
};

void fwu_decoder_begin(struct fwu_decoder *decoder, enum fwu_format format, uint32_t base);

/* Take bytes from data, and take them off it, up to the next extent. True: extent is one. False: data
 * is used up, or decoder->fault says which rule is broken. */
bool fwu_decoder_next(struct fwu_decoder *decoder, struct fwu_bytes *data,
                      struct fwu_extent *extent);

/* The fault that data would come to. Where there is none the decoder stands where it stood. */
enum fwu_fault fwu_decoder_check(struct fwu_decoder *decoder, struct fwu_bytes data);

/* The package has ended. A last line that lacks its end can only be an end record, so there is no
 * extent. */
enum fwu_fault fwu_decoder_finish(struct fwu_decoder *decoder);

#define FWU_DECODER_HEAD_MAX 26u
/* The decoder's state for a checkpoint (FORMAT.md, section 8): head, its size returned; behind it stand
 * state.held bytes of text. */
uint32_t fwu_decoder_save(const struct fwu_decoder *decoder, uint8_t head[FWU_DECODER_HEAD_MAX]);
/* Take over a saved state of size bytes, of which head is the beginning: all of it or
 * FWU_DECODER_HEAD_MAX bytes. Returns how many bytes of it are the head; the caller brings state.held
 * bytes to text, which follow. 0: no decoder of this program gave it. */
uint32_t fwu_decoder_restore(struct fwu_decoder *decoder, const uint8_t *head, uint32_t size);

/* --- vectors */

/* The first two vectors of an image that is to run from start: of 8 bytes at head. */
enum fwu_fault fwu_check_vectors(const uint8_t head[8], uint32_t start, uint32_t slot_size);

#endif

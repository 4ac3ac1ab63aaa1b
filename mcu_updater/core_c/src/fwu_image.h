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

#define FWU_LINE_SIZE 523u /* the longest legal line of a record, CR and one byte more */

struct fwu_decoder {
    uint8_t format; /* enum fwu_format */
    uint8_t base_type;  /* HEX: type of its base records; S-record: widest address, in bytes */
    bool has_entry;
    bool has_data;
    bool ended;
    uint8_t flags;      /* S-record */
    uint8_t fault;      /* enum fwu_fault: the rule that was broken, if any */
    uint32_t base;      /* BIN: address of byte 0; HEX: of the window */
    uint32_t offset;    /* BIN: bytes so far; S-record: data records so far */
    uint32_t entry;
    uint32_t line;      /* lines that have ended */
    uint32_t column;    /* where fault is, from 1 */
    uint16_t held;      /* bytes of the incomplete last line */
    char text[FWU_LINE_SIZE];
};

/* What begins with first is; needs fwu_sniff_size bytes, or the whole package. A fault refuses it. */
enum fwu_fault fwu_sniff(const uint8_t *first, uint32_t size, enum fwu_format *format);
/* How many bytes fwu_sniff needs of what begins with first; at most FWU_SNIFF_MAX. */
uint32_t fwu_sniff_size(const uint8_t *first, uint32_t size);
#define FWU_SNIFF_MAX 64u

void fwu_decoder_begin(struct fwu_decoder *decoder, enum fwu_format format, uint32_t base);

/* Take bytes from data, and take them off it, up to the next extent. True: extent is one. False: data
 * is used up, or decoder->fault says which rule is broken. */
bool fwu_decoder_next(struct fwu_decoder *decoder, struct fwu_bytes *data,
                      struct fwu_extent *extent);

/* The fault that data would come to, without taking anything. */
enum fwu_fault fwu_decoder_check(const struct fwu_decoder *decoder, struct fwu_bytes data);

/* The package has ended. False: decoder->fault says which rule is broken. Where the last line lacks its
 * end it may still give an extent; size 0: none. */
bool fwu_decoder_finish(struct fwu_decoder *decoder, struct fwu_extent *extent);

#define FWU_DECODER_HEAD_MAX 24u
/* The decoder's state for a checkpoint (FORMAT.md, section 8): head, its size returned; behind it stand
 * decoder->held bytes of decoder->text. */
uint32_t fwu_decoder_save(const struct fwu_decoder *decoder, uint8_t head[FWU_DECODER_HEAD_MAX]);
/* Take over a state of size bytes. False where no decoder gave it. */
bool fwu_decoder_restore(struct fwu_decoder *decoder, const uint8_t *state, uint32_t size);

/* The first two vectors of an image that is to run from start: of 8 bytes at head. */
enum fwu_fault fwu_check_vectors(const uint8_t head[8], uint32_t start, uint32_t slot_size);

#endif

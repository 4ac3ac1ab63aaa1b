#include "fwu_record.h"

#define TYPE_COLUMN 2u
#define LENGTH_COLUMN 3u
#define FIELD_COLUMN 5u
#define SHORTEST 4u /* bytes in a record: length, an address of 2 bytes, checksum */

const struct fwu_syntax fwu_srec_syntax = {'S', 2u, SHORTEST, 1u, 0xFFu};

/* Bytes of the address or count field, by the digit behind the S; S4 is reserved. */
static const uint8_t widths[10] = {2, 2, 3, 4, 0, 2, 3, 4, 3, 2};

enum role { HEADER, DATA, COUNT, END };

static enum role role_of(uint32_t type)
{
    if (type == 0) {
        return HEADER;
    }
    return type < 4 ? DATA : type < 7 ? COUNT : END;
}

static bool take_header(struct fwu_decoder *decoder)
{
    const struct fwu_decoder_state *state = &decoder->state;

    if ((state->flags & FWU_SREC_STARTED) != 0 || state->offset > 0) {
        return fwu_refuse(decoder, FWU_FAULT_HEADER, TYPE_COLUMN);
    }
    return true;
}

static bool take_count(struct fwu_decoder *decoder, uint32_t count)
{
    if (count != decoder->state.offset) {
        return fwu_refuse(decoder, FWU_FAULT_COUNT, FIELD_COLUMN);
    }
    decoder->state.flags |= FWU_SREC_COUNTED;
    return true;
}

/* flags: those before this record. Behind a count nothing is missing, so that a terminator of another
 * width is no sign of that. */
static bool take_end(struct fwu_decoder *decoder, uint32_t width, uint32_t entry, uint32_t flags)
{
    struct fwu_decoder_state *state = &decoder->state;

    if (!state->has_data) {
        return fwu_refuse(decoder, FWU_FAULT_NO_DATA, 1);
    }
    if ((flags & (FWU_SREC_COUNTED | FWU_SREC_MIXED)) == 0 && width != state->base_type) {
        return fwu_refuse(decoder, FWU_FAULT_TERMINATOR, TYPE_COLUMN);
    }
    state->ended = true;
    state->has_entry = true;
    state->entry = entry;
    return true;
}

static bool take_other(struct fwu_decoder *decoder, enum role role, uint32_t width,
                       uint32_t field, uint32_t size)
{
    struct fwu_decoder_state *state = &decoder->state;
    uint32_t flags = state->flags;
    bool is_taken;

    state->flags &= (uint8_t)~FWU_SREC_COUNTED;
    if (role == HEADER) {
        is_taken = take_header(decoder);
    } else if (size > 0) {
        is_taken = fwu_refuse(decoder, FWU_FAULT_RECORD_LENGTH, LENGTH_COLUMN);
    } else if (role == COUNT) {
        is_taken = take_count(decoder, field);
    } else {
        is_taken = take_end(decoder, width, field, flags);
    }
    state->flags |= FWU_SREC_STARTED;
    return is_taken;
}

static void note_width(struct fwu_decoder_state *state, uint32_t width)
{
    if (width == state->base_type) {
        return;
    }
    if (state->base_type != 0) {
        state->flags |= FWU_SREC_MIXED;
    }
    if (width > state->base_type) {
        state->base_type = (uint8_t)width;
    }
}

static bool take_data(struct fwu_decoder *decoder, uint32_t address, uint32_t size)
{
    struct fwu_decoder_state *state = &decoder->state;

    if (size > 0 && size - 1u > UINT32_MAX - address) {
        return fwu_refuse(decoder, FWU_FAULT_PAST_4_GIB, FIELD_COLUMN);
    }
    state->offset++;
    state->flags &= (uint8_t)~FWU_SREC_COUNTED;
    state->has_data = state->has_data || size > 0;
    return true;
}

bool fwu_srec_take(struct fwu_decoder *decoder, const struct fwu_line *line,
                   struct fwu_placed *placed)
{
    const uint8_t *text = line->text;
    uint32_t type, width, length, field, size;

    if (!fwu_is_record(decoder, line, &fwu_srec_syntax)) {
        return false;
    }
    type = (uint32_t)text[TYPE_COLUMN - 1u] - '0';
    if (type >= sizeof widths || widths[type] == 0) {
        return fwu_refuse(decoder, FWU_FAULT_TYPE, TYPE_COLUMN);
    }
    width = widths[type];
    length = fwu_hex_byte(text + LENGTH_COLUMN - 1u);
    if (length < width + 1u) {
        return fwu_refuse(decoder, FWU_FAULT_RECORD_LENGTH, LENGTH_COLUMN);
    }
    size = length - width - 1u;
    field = fwu_hex_number(text + FIELD_COLUMN - 1u, width);
    if (role_of(type) != DATA) {
        return take_other(decoder, role_of(type), width, field, size);
    }
    note_width(&decoder->state, width);
    placed->address = field;
    placed->size = size;
    placed->first = FIELD_COLUMN - 1u + 2u * width;
    return take_data(decoder, field, size);
}

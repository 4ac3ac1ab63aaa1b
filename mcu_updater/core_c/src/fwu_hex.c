#include "fwu_record.h"

enum type { DATA, END, SEGMENT, START_SEGMENT, LINEAR, START_LINEAR, TYPES };

#define AROUND_DATA 5u      /* bytes of a record that are not data */
#define WINDOW 0x10000u     /* bytes that the load offset can address */
#define LAST_WINDOW 0xFFFF0000u
#define FIRST_UNIVERSAL 0x0Au /* types of the universal HEX of several boards */
#define LAST_UNIVERSAL 0x0Eu

#define LENGTH_COLUMN 2u
#define ADDRESS_COLUMN 4u
#define TYPE_COLUMN 8u
#define DATA_COLUMN 10u
#define DATA_AT (DATA_COLUMN - 1u)

const struct fwu_syntax fwu_hex_syntax = {':', 1u, AROUND_DATA, AROUND_DATA, 0u};

static const uint8_t lengths[TYPES] = {0, 0, 2, 4, 2, 4}; /* of all but data */

static bool set_base(struct fwu_decoder *decoder, uint32_t type, uint32_t base)
{
    struct fwu_decoder_state *state = &decoder->state;

    if (state->base_type != 0 && state->base_type != type && state->base != 0) {
        return fwu_refuse(decoder, FWU_FAULT_MIXED, TYPE_COLUMN);
    }
    state->base_type = (uint8_t)type;
    state->base = base;
    return true;
}

static bool set_entry(struct fwu_decoder *decoder, uint32_t entry)
{
    struct fwu_decoder_state *state = &decoder->state;

    if (state->has_entry && state->entry != entry) {
        return fwu_refuse(decoder, FWU_FAULT_TWO_STARTS, DATA_COLUMN);
    }
    state->has_entry = true;
    state->entry = entry;
    return true;
}

static bool end(struct fwu_decoder *decoder)
{
    if (!decoder->state.has_data) {
        return fwu_refuse(decoder, FWU_FAULT_NO_DATA, 1);
    }
    decoder->state.ended = true;
    return true;
}

/* A record other than data, whose shape was checked. */
static bool take_value(struct fwu_decoder *decoder, uint32_t type, uint32_t value)
{
    switch (type) {
    case END:
        return end(decoder);
    case SEGMENT:
        return set_base(decoder, type, value << 4);
    case LINEAR:
        return set_base(decoder, type, value << 16);
    case START_SEGMENT:
        return set_entry(decoder, ((value >> 16) << 4) + (value & 0xFFFFu)); /* CS:IP */
    default:
        return set_entry(decoder, value);
    }
}

static bool take_other(struct fwu_decoder *decoder, const uint8_t *text, uint32_t type,
                       uint32_t size, uint32_t offset)
{
    if (type >= TYPES) {
        bool is_universal = type >= FIRST_UNIVERSAL && type <= LAST_UNIVERSAL;

        return fwu_refuse(decoder, is_universal ? FWU_FAULT_UNIVERSAL : FWU_FAULT_TYPE,
                          TYPE_COLUMN);
    }
    if (size != lengths[type]) {
        return fwu_refuse(decoder, FWU_FAULT_RECORD_LENGTH, LENGTH_COLUMN);
    }
    if (offset != 0) {
        return fwu_refuse(decoder, FWU_FAULT_RECORD_ADDRESS, ADDRESS_COLUMN);
    }
    return take_value(decoder, type, fwu_hex_number(text + DATA_AT, size));
}

bool fwu_hex_take(struct fwu_decoder *decoder, const struct fwu_line *line,
                  struct fwu_placed *placed)
{
    const uint8_t *text = line->text;
    uint32_t size, offset, type;

    if (!fwu_is_record(decoder, line, &fwu_hex_syntax)) {
        return false;
    }
    size = fwu_hex_byte(text + LENGTH_COLUMN - 1u);
    offset = fwu_hex_number(text + ADDRESS_COLUMN - 1u, 2);
    type = fwu_hex_byte(text + TYPE_COLUMN - 1u);
    if (type != DATA) {
        return take_other(decoder, text, type, size, offset);
    }
    if (offset + size > WINDOW) {
        return fwu_refuse(decoder,
                          decoder->state.base == LAST_WINDOW ? FWU_FAULT_PAST_4_GIB
                                                             : FWU_FAULT_WINDOW,
                          ADDRESS_COLUMN);
    }
    placed->address = decoder->state.base + offset;
    placed->size = size;
    placed->first = DATA_AT;
    decoder->state.has_data = decoder->state.has_data || size > 0;
    return true;
}

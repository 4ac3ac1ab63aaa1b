#include <stddef.h>
#include <string.h>

#include "fwu_record.h"

static const struct fwu_syntax *syntax_of(const struct fwu_decoder *decoder)
{
    return decoder->state.format == FWU_FORMAT_HEX ? &fwu_hex_syntax : &fwu_srec_syntax;
}

void fwu_decoder_begin(struct fwu_decoder *decoder, enum fwu_format format, uint32_t base)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->state.format = (uint8_t)format;
    decoder->state.base = format == FWU_FORMAT_BIN ? base : 0;
}

/* --- lines */

static uint32_t without_return(const uint8_t *text, uint32_t size)
{
    return size > 0 && text[size - 1u] == '\r' ? size - 1u : size;
}

/* Put what data begins with behind the bytes that are held; more than a line can have is dropped, for
 * it will be refused by what is kept. Returns how many bytes text has then. */
static uint32_t gather(struct fwu_decoder *decoder, const uint8_t *data, uint32_t size)
{
    uint32_t held = decoder->state.held;
    uint32_t room = FWU_LINE_SIZE - held;

    size = size < room ? size : room;
    memcpy(decoder->text + held, data, size);
    return held + size;
}

/* The next line of data, which is taken off it. Where it is all in data it stays there: bytes that are
 * held are never written over. False: it has no end yet. */
static bool next_line(struct fwu_decoder *decoder, struct fwu_bytes *data, struct fwu_line *line)
{
    const uint8_t *text = data->data;
    uint32_t size = 0;
    bool has_end;

    while (size < data->size && text[size] != '\n') {
        size++;
    }
    has_end = size < data->size;
    data->data += size + has_end;
    data->size -= size + has_end;
    line->text = text;
    line->size = size;
    if (decoder->state.held > 0) {
        line->text = decoder->text;
        line->size = gather(decoder, text, size);
    }
    if (has_end) {
        line->size = without_return(line->text, line->size);
    }
    return has_end;
}

static bool take_line(struct fwu_decoder *decoder, const struct fwu_line *line,
                      struct fwu_placed *placed)
{
    if (line->size == 0) {
        return true;
    }
    if (decoder->state.format == FWU_FORMAT_HEX) {
        return fwu_hex_take(decoder, line, placed);
    }
    return fwu_srec_take(decoder, line, placed);
}

/* Refuse a line that has no end yet where no further byte could mend it. */
static bool check_rest(struct fwu_decoder *decoder, const struct fwu_line *rest)
{
    const struct fwu_syntax *syntax = syntax_of(decoder);
    uint32_t limit = decoder->state.ended ? 0 : fwu_longest_line(syntax);

    if (rest->size <= limit || (rest->size == limit + 1u && rest->text[limit] == '\r')) {
        return true;
    }
    decoder->state.line++;
    return fwu_is_record(decoder, rest, syntax);
}

/* Lines of data up to one that holds data of the image: true. False: line is the rest of data, or a
 * fault is noted. */
static bool next_record(struct fwu_decoder *decoder, struct fwu_bytes *data,
                        struct fwu_line *line, struct fwu_placed *placed)
{
    placed->size = 0;
    while (next_line(decoder, data, line)) {
        decoder->state.held = 0;
        decoder->state.line++;
        if (!take_line(decoder, line, placed)) {
            return false;
        }
        if (placed->size > 0) {
            return true;
        }
    }
    (void)check_rest(decoder, line);
    return false;
}

/* Keep the rest of a line, which may lie in text already. */
static void hold(struct fwu_decoder *decoder, const struct fwu_line *rest)
{
    memmove(decoder->text, rest->text, rest->size);
    decoder->state.held = (uint16_t)rest->size;
}

/* The digits become bytes where a line is held; they may lie there themselves, further behind. */
static void decode(struct fwu_decoder *decoder, const struct fwu_line *line,
                   const struct fwu_placed *placed, struct fwu_extent *extent)
{
    uint32_t i;

    for (i = 0; i < placed->size; i++) {
        decoder->text[i] = (uint8_t)fwu_hex_byte(line->text + placed->first + 2u * i);
    }
    extent->address = placed->address;
    extent->data = decoder->text;
    extent->size = placed->size;
}

/* --- raw images */

static bool next_binary(struct fwu_decoder *decoder, struct fwu_bytes *data,
                        struct fwu_extent *extent)
{
    struct fwu_decoder_state *state = &decoder->state;
    uint32_t last = UINT32_MAX - state->base; /* offset of the last byte that has an address */

    if (state->offset > last || data->size - 1u > last - state->offset) {
        return fwu_refuse(decoder, FWU_FAULT_PAST_4_GIB, 0);
    }
    extent->address = state->base + state->offset;
    extent->data = data->data;
    extent->size = data->size;
    state->offset += data->size;
    data->size = 0;
    return true;
}

/* --- all formats */

bool fwu_decoder_next(struct fwu_decoder *decoder, struct fwu_bytes *data,
                      struct fwu_extent *extent)
{
    struct fwu_line line;
    struct fwu_placed placed;

    if (data->size == 0) {
        return false;
    }
    if (decoder->state.format == FWU_FORMAT_BIN) {
        return next_binary(decoder, data, extent);
    }
    if (next_record(decoder, data, &line, &placed)) {
        decode(decoder, &line, &placed, extent);
        return true;
    }
    if (decoder->fault == FWU_FAULT_NONE) {
        hold(decoder, &line);
    }
    return false;
}

enum fwu_fault fwu_decoder_check(struct fwu_decoder *decoder, struct fwu_bytes data)
{
    struct fwu_decoder_state before;
    struct fwu_extent extent;
    struct fwu_line line;
    struct fwu_placed placed;

    if (data.size == 0) {
        return FWU_FAULT_NONE;
    }
    fwu_copy(&before, &decoder->state, sizeof before);
    if (before.format == FWU_FORMAT_BIN) {
        (void)next_binary(decoder, &data, &extent);
    } else {
        while (next_record(decoder, &data, &line, &placed)) {
        }
    }
    if (decoder->fault == FWU_FAULT_NONE) {
        fwu_copy(&decoder->state, &before, sizeof before);
    }
    return (enum fwu_fault)decoder->fault;
}

/* The last line may lack its terminator. It can only be the end record or damage. */
static bool take_last_line(struct fwu_decoder *decoder)
{
    struct fwu_line line;
    struct fwu_placed placed;

    line.text = decoder->text;
    line.size = without_return(decoder->text, decoder->state.held);
    if (line.size > 0) {
        decoder->state.line++;
    }
    return take_line(decoder, &line, &placed);
}

static bool is_complete(const struct fwu_decoder_state *state)
{
    if (state->format == FWU_FORMAT_SREC && (state->flags & FWU_SREC_COUNTED) != 0) {
        return state->ended || state->has_data;
    }
    return state->ended;
}

enum fwu_fault fwu_decoder_finish(struct fwu_decoder *decoder)
{
    struct fwu_decoder_state *state = &decoder->state;

    if (state->format == FWU_FORMAT_BIN) {
        decoder->fault = state->offset == 0 ? FWU_FAULT_EMPTY : FWU_FAULT_NONE;
    } else if (state->line == 0 && state->held == 0) {
        state->line = 1;
        (void)fwu_refuse(decoder, FWU_FAULT_EMPTY, 1);
    } else if (take_last_line(decoder) && !is_complete(state)) {
        state->line++;
        (void)fwu_refuse(decoder, FWU_FAULT_NO_END, 1);
    }
    return (enum fwu_fault)decoder->fault;
}

/* --- checkpoints */

/* How a field stands in a head. Numbers of 8 bytes say no more than 4 do: packages are below 4 GiB. */
enum shape { BYTE, FLAG, WORD, LONG };

struct field {
    uint8_t at; /* offset in struct fwu_decoder_state */
    uint8_t shape;
};

#define FIELD(name, shape) {offsetof(struct fwu_decoder_state, name), shape}

/* What stands in heads behind the format: of BIN, HEX and S-records. */
static const struct field fields[] = {
    FIELD(base, WORD), FIELD(offset, LONG),

    FIELD(line, LONG), FIELD(base, WORD), FIELD(base_type, BYTE), FIELD(has_entry, FLAG),
    FIELD(entry, WORD), FIELD(has_data, FLAG), FIELD(ended, FLAG),

    FIELD(line, LONG), FIELD(base_type, BYTE), FIELD(offset, LONG), FIELD(has_data, FLAG),
    FIELD(flags, BYTE), FIELD(ended, FLAG), FIELD(has_entry, FLAG), FIELD(entry, WORD)};

/* By format: which is its first one; and how many bytes its head has. */
static const uint8_t first_field[] = {0, 0, 2, 9, 17};
static const uint8_t heads[] = {0, 13, 21, 26};

uint32_t fwu_decoder_save(const struct fwu_decoder *decoder, uint8_t head[FWU_DECODER_HEAD_MAX])
{
    uint32_t format = decoder->state.format;
    uint8_t *to = head;
    uint32_t i;

    *to++ = decoder->state.format;
    for (i = first_field[format]; i < first_field[format + 1u]; i++) {
        const uint8_t *from = (const uint8_t *)&decoder->state + fields[i].at;
        uint32_t word;

        if (fields[i].shape < WORD) {
            *to++ = *from;
            continue;
        }
        memcpy(&word, from, sizeof word);
        fwu_put_u32(to, word);
        to += sizeof word;
        if (fields[i].shape == LONG) {
            fwu_put_u32(to, 0);
            to += sizeof word;
        }
    }
    return heads[format];
}

/* False where a number has more than 4 bytes. */
static bool restore(struct fwu_decoder_state *state, const uint8_t *from)
{
    uint32_t i, word, high = 0;

    for (i = first_field[state->format]; i < first_field[state->format + 1u]; i++) {
        uint8_t *to = (uint8_t *)state + fields[i].at;

        if (fields[i].shape < WORD) {
            *to = fields[i].shape == FLAG ? *from != 0 : *from;
            from++;
            continue;
        }
        word = fwu_get_u32(from);
        memcpy(to, &word, sizeof word);
        from += sizeof word;
        if (fields[i].shape == LONG) {
            high |= fwu_get_u32(from);
            from += sizeof word;
        }
    }
    if (!state->has_entry) {
        state->entry = 0;
    }
    return high == 0;
}

uint32_t fwu_decoder_restore(struct fwu_decoder *decoder, const uint8_t *head, uint32_t size)
{
    uint32_t format = size > 0 ? head[0] : 0;
    uint32_t limit = format == FWU_FORMAT_BIN ? 1u : FWU_LINE_SIZE; /* a raw image has no lines */

    if (format == FWU_FORMAT_UNKNOWN || format >= sizeof heads || size < heads[format] ||
        size - heads[format] >= limit) {
        return 0;
    }
    fwu_decoder_begin(decoder, (enum fwu_format)format, 0);
    decoder->state.held = (uint16_t)(size - heads[format]);
    return restore(&decoder->state, head + 1) ? heads[format] : 0;
}

#include "fwu_record.h"

#define FIRST_PRINTABLE 0x20u
#define DELETE 0x7Fu
#define LONGEST_RECORD 0xFFu /* bytes that the length field can count */

uint32_t fwu_hex_number(const uint8_t *digits, uint32_t count)
{
    uint32_t number = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        number = number << 8 | fwu_hex_byte(digits + 2u * i);
    }
    return number;
}

uint32_t fwu_longest_line(const struct fwu_syntax *syntax)
{
    return syntax->length_at + 2u * (LONGEST_RECORD + syntax->uncounted);
}

bool fwu_refuse(struct fwu_decoder *decoder, enum fwu_fault fault, uint32_t column)
{
    decoder->fault = (uint8_t)fault;
    decoder->column = (uint16_t)column;
    return false;
}

/* Looks at no more than the longest legal line and one character, so that a line that is still
 * incomplete is refused with the same fault as the whole one. */
static bool is_plain(struct fwu_decoder *decoder, const struct fwu_line *line, uint32_t longest)
{
    uint32_t size = line->size <= longest ? line->size : longest + 1u;
    uint32_t i;

    for (i = 0; i < size; i++) {
        if (line->text[i] < FIRST_PRINTABLE || line->text[i] == DELETE) {
            return fwu_refuse(decoder, FWU_FAULT_CONTROL, i + 1u);
        }
    }
    if (size > longest) {
        return fwu_refuse(decoder, FWU_FAULT_LONG_LINE, size);
    }
    return true;
}

static bool are_digits(struct fwu_decoder *decoder, const struct fwu_line *line,
                       const struct fwu_syntax *syntax)
{
    uint8_t first = line->text[0];
    uint32_t i;

    if (first != syntax->mark && first != (syntax->mark | 0x20u)) {
        return fwu_refuse(decoder, FWU_FAULT_NO_RECORD, 1);
    }
    for (i = syntax->length_at; i < line->size; i++) {
        if (fwu_hex_digit(line->text[i]) == FWU_NO_DIGIT) {
            return fwu_refuse(decoder, FWU_FAULT_DIGIT, i + 1u);
        }
    }
    if (line->size > syntax->length_at && (line->size - syntax->length_at) % 2u != 0) {
        return fwu_refuse(decoder, FWU_FAULT_ODD_DIGITS, line->size);
    }
    return true;
}

static bool is_whole(struct fwu_decoder *decoder, const struct fwu_line *line,
                     const struct fwu_syntax *syntax)
{
    const uint8_t *digits = line->text + syntax->length_at;
    uint32_t size = line->size > syntax->length_at ? (line->size - syntax->length_at) / 2u : 0;
    uint32_t sum = 0;
    uint32_t i;

    if (size < syntax->shortest) {
        return fwu_refuse(decoder, FWU_FAULT_SHORT_RECORD, syntax->length_at + 1u);
    }
    if (fwu_hex_byte(digits) + syntax->uncounted != size) {
        return fwu_refuse(decoder, FWU_FAULT_LENGTH_FIELD, syntax->length_at + 1u);
    }
    for (i = 0; i < size; i++) {
        sum += fwu_hex_byte(digits + 2u * i);
    }
    if ((sum & 0xFFu) != syntax->good_sum) {
        return fwu_refuse(decoder, FWU_FAULT_CHECKSUM, syntax->length_at + 2u * size - 1u);
    }
    return true;
}

bool fwu_is_record(struct fwu_decoder *decoder, const struct fwu_line *line,
                   const struct fwu_syntax *syntax)
{
    if (decoder->state.ended) {
        return fwu_refuse(decoder, FWU_FAULT_AFTER_END, 1);
    }
    if (decoder->state.line == 1 && fwu_has_byte_order_mark(line->text, line->size)) {
        return fwu_refuse(decoder, FWU_FAULT_BYTE_ORDER_MARK, 1);
    }
    return is_plain(decoder, line, fwu_longest_line(syntax)) && are_digits(decoder, line, syntax) &&
           is_whole(decoder, line, syntax);
}

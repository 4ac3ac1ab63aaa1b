#include "fwu_reader.h"

#include <stddef.h>

#include "fwu_config.h"

#define SMALLEST 32u /* bytes; below, the frame around the data is most of what may be spoilt */
#define GROW_AFTER 16u /* answers of the present size in a row that were good; then twice the size */
#define SMALLEST_TRIES 3u /* times as many as of any other command: each loss was mended */

static uint32_t smaller(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

/* --- how much one read asks for */

void fwu_reader_begin(struct fwu_client *client)
{
    client->read_most = FWU_READ_SIZE;
    client->read_now = FWU_READ_SIZE;
    client->read_good = 0;
    client->tail = FWU_TAIL_UNKNOWN;
    client->holds = false;
    client->offset = 0;
}

static void limit(struct fwu_client *client, uint32_t most)
{
    client->read_most = most;
    client->read_now = smaller(client->read_now, most);
}

/* An answer of size bytes was lost or spoilt: half of that, unless it is less already. */
static void spoilt(struct fwu_client *client, uint32_t size)
{
    uint32_t least = smaller(SMALLEST, client->read_most);
    uint32_t half = size / 2u > least ? size / 2u : least;

    client->read_good = 0;
    client->read_now = smaller(client->read_now, half);
}

/* size bytes came through. One that is shorter than what is asked for proves little. */
static void good(struct fwu_client *client, uint32_t size)
{
    if (client->read_now == client->read_most || size < client->read_now) {
        return;
    }
    if (++client->read_good == GROW_AFTER) {
        client->read_good = 0;
        client->read_now = smaller(2u * client->read_now, client->read_most);
    }
}

/* The upper bound of the last "(1-1024)" in the line. */
static void read_bounds(struct fwu_answer *answer, struct fwu_scan text,
                        const struct fwu_command *command)
{
    struct fwu_scan head;
    uint32_t bound;
    bool fits;

    (void)command;
    if (answer->has_info) {
        return;
    }
    while (fwu_scan_until(&text, '(', &head)) {
        if (fwu_scan_number(&text, &bound, &fits) == 0) {
            continue;
        }
        fwu_scan_blanks(&text);
        if (!fwu_scan_char(&text, '-') && !fwu_scan_char(&text, ',')) {
            continue;
        }
        fwu_scan_blanks(&text);
        if (fwu_scan_number(&text, &bound, &fits) > 0 && fwu_scan_char(&text, ')')) {
            answer->number = smaller(bound, FWU_READ_SIZE);
        }
    }
}

enum fwu_status fwu_reader_learn_most(struct fwu_client *client)
{
    struct fwu_command command;
    struct fwu_answer answer;

    fwu_command_begin(&command, "+QIOTOTARD=?", 0, 0);
    command.wants_line = true;
    command.read_line = read_bounds;
    if (fwu_link_ask(&client->link, &command, &answer) == FWU_REPLY_LOST) {
        return fwu_link_get_in_step(&client->link);
    }
    if (answer.number - 1u < FWU_READ_SIZE) { /* it says a bound, which is not 0 */
        limit(client, answer.number);
    }
    return FWU_OK;
}

/* --- what becomes of the piece */

void fwu_reader_note(struct fwu_client *client, const struct fwu_event *event)
{
    if (event->kind == FWU_EVENT_PIECE) {
        client->holds = true;
        client->offset = event->is.piece.start;
    }
}

void fwu_reader_given_away(struct fwu_client *client)
{
    client->holds = false;
}

/* --- reading */

/* What the same read gave before, if that did not end as it should. */
struct doubt {
    bool is_there;
    uint32_t size;
    uint32_t crc;
};

/* Data that do not end as they should are believed when two answers are alike and none was ever
 * right: then this is how the module ends them. */
static bool is_believed(struct fwu_client *client, const struct fwu_bytes *data, bool clean,
                        struct doubt *doubt)
{
    uint32_t crc;

    if (clean) {
        client->tail = FWU_TAIL_RIGHT;
        return true;
    }
    crc = fwu_crc32(0, data->data, data->size);
    if (client->tail == FWU_TAIL_UNKNOWN && doubt->is_there && doubt->size == data->size &&
        doubt->crc == crc) {
        client->tail = FWU_TAIL_OWN;
    }
    doubt->is_there = true;
    doubt->size = data->size;
    doubt->crc = crc;
    return client->tail == FWU_TAIL_OWN;
}

/* One attempt. *reply is LOST where the answer cannot be used. FWU_NO_ANSWER: the line is dead. */
static enum fwu_status attempt(struct fwu_client *client, uint32_t start, uint32_t size,
                               struct doubt *doubt, struct fwu_bytes *data, enum fwu_reply *reply)
{
    struct fwu_command command;
    struct fwu_answer answer;

    fwu_command_begin(&command, "+QIOTOTARD=#,#", start, size);
    command.wants_line = true;
    *reply = fwu_link_ask(&client->link, &command, &answer);
    if (*reply == FWU_REPLY_LOST) {
        return fwu_link_get_in_step(&client->link);
    }
    if (*reply == FWU_REPLY_OK) {
        *data = fwu_at_payload(&client->link.at);
        if (!answer.has_payload || answer.start != start || data->size > size ||
            !is_believed(client, data, answer.clean, doubt)) {
            *reply = FWU_REPLY_LOST;
        }
    }
    return FWU_OK;
}

/* A first answer that is spoilt is followed by one of the same size, and then by smaller ones; the
 * smallest are given up last, for the line does answer. */
enum fwu_status fwu_client_read(struct fwu_client *client, uint32_t start, uint32_t size,
                                struct fwu_bytes *data)
{
    uint32_t asked = smaller(size, client->read_now);
    uint32_t left = SMALLEST_TRIES * (1u + FWU_RETRIES);
    bool has_failed = false;
    struct doubt doubt = {false, 0, 0};
    enum fwu_reply reply;

    while (left > 0) {
        if (attempt(client, start, asked, &doubt, data, &reply) != FWU_OK) {
            break;
        }
        if (reply == FWU_REPLY_ERROR) {
            data->size = 0;
            return FWU_OK;
        }
        if (reply == FWU_REPLY_OK) {
            good(client, data->size);
            client->holds = client->holds || data->size > 0;
            client->offset = data->size > 0 ? start : client->offset;
            return FWU_OK;
        }
        if (asked <= SMALLEST || client->read_now <= smaller(SMALLEST, client->read_most)) {
            left--;
        }
        if (has_failed && asked > SMALLEST) {
            spoilt(client, asked);
            asked = smaller(asked, client->read_now);
            doubt.is_there = false;
        }
        has_failed = true;
    }
    data->size = 0;
    return FWU_NO_ANSWER;
}

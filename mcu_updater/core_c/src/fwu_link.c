#include "fwu_link.h"

#include <stddef.h>
#include <string.h>

#include "fwu_hal.h"
#include "fwu_tables.h"

#define AT "AT"
#define AT_SIZE 2u
#define MOST_LINES 64u /* of one answer */
#define CODE_PLAN 10700u
#define CODE_FAILED 10706u
#define CODE_CONNECTED 10200u
#define CODE_FIRST 10000u
#define CODES 1000u /* of each type of fwu_lasting */
#define CONNECTION_TYPES 3u
#define TYPE_UNREADABLE 0u
#define READ_NAME "+QIOTOTARD"
#define STATE_NAME "+QIOTSTATE"

/* --- commands */

void fwu_command_add(struct fwu_command *command, const char *text, uint32_t size)
{
    uint32_t room = FWU_COMMAND_SIZE - command->size;

    size = size < room ? size : room;
    memcpy(command->text + command->size, text, size);
    command->size += size;
}

static void add_number(struct fwu_command *command, uint32_t number)
{
    char digits[10];
    char *first = digits + sizeof digits;

    do {
        *--first = (char)('0' + number % 10u);
        number /= 10u;
    } while (number != 0);
    fwu_command_add(command, first, (uint32_t)(digits + sizeof digits - first));
}

void fwu_command_begin(struct fwu_command *command, const char *format, uint32_t first,
                       uint32_t second)
{
    command->read_line = NULL;
    command->wants_line = false;
    command->name_size = 0;
    command->size = 0;
    fwu_command_add(command, AT, AT_SIZE);
    for (; *format != '\0'; format++) {
        if (*format == '#') {
            add_number(command, first);
            first = second;
            continue;
        }
        if (command->name_size == 0 && (*format == '=' || *format == '?')) {
            command->name_size = command->size - AT_SIZE;
        }
        fwu_command_add(command, format, 1);
    }
}

static bool is_name(const struct fwu_command *command, struct fwu_scan head)
{
    return (size_t)(head.end - head.at) == command->name_size &&
           memcmp(head.at, command->text + AT_SIZE, command->name_size) == 0;
}

/* --- events */

void fwu_link_begin(struct fwu_link *link)
{
    memset(link, 0, offsetof(struct fwu_link, at));
    fwu_at_begin(&link->at);
}

static enum fwu_condition condition_of(const struct fwu_value *value)
{
    uint32_t i, code = value->code - CODE_FIRST;

    if (value->code == CODE_CONNECTED) {
        return FWU_CONDITION_FINE;
    }
    for (i = 0; i < FWU_LASTING; i++) {
        if (code < CODES && fwu_lasting[i] == value->type * CODES + code) {
            return FWU_CONDITION_LASTING;
        }
    }
    return FWU_CONDITION_ERROR;
}

static enum fwu_condition take_condition(struct fwu_link *link)
{
    enum fwu_condition first = (enum fwu_condition)link->conditions[0];

    link->conditions_count--;
    memmove(link->conditions, link->conditions + 1, link->conditions_count);
    return first;
}

static void file_condition(struct fwu_link *link, const struct fwu_value *value)
{
    if (link->conditions_count == FWU_CONNECTION_EVENTS) {
        (void)take_condition(link); /* the oldest one */
    }
    link->conditions[link->conditions_count++] = (uint8_t)condition_of(value);
}

static bool is_sign(uint32_t code)
{
    return (code > CODE_PLAN && code <= CODE_PLAN + 3u) || code == CODE_FAILED;
}

static bool waits_already(const struct fwu_link *link, const struct fwu_value *value)
{
    uint32_t crc = fwu_event_crc(value->type, value->text, value->size);
    const struct fwu_event *each = link->events + link->events_heard;

    for (; each < link->events + link->events_count; each++) {
        if (each->code == value->code && each->size == value->size && each->crc == crc) {
            return true;
        }
    }
    return false;
}

void fwu_link_drop(struct fwu_link *link, uint32_t place)
{
    link->events_count--;
    memmove(link->events + place, link->events + place + 1,
            (link->events_count - place) * sizeof link->events[0]);
}

/* Of a full queue a 10702 goes first: the module says it every 5 s. */
static void make_room(struct fwu_link *link)
{
    uint32_t place;

    for (place = link->events_heard;
         place < link->events_count && link->events_count == FWU_EVENTS; place++) {
        if (link->events[place].kind == FWU_EVENT_DOWNLOADING) {
            fwu_link_drop(link, place);
        }
    }
}

/* An offer that waits already is not filed twice: a repeated request brings it again. */
static void file_event(struct fwu_link *link, const struct fwu_value *value)
{
    if (is_sign(value->code)) {
        link->sign_count++;
    }
    if (value->code == CODE_PLAN && waits_already(link, value)) {
        return;
    }
    make_room(link);
    if (link->events_count < FWU_EVENTS) {
        fwu_event_parse(&link->events[link->events_count++], value->type, value->code, value->text,
                        value->size);
    }
}

static void file(struct fwu_link *link, const struct fwu_value *value)
{
    if (value->kind != FWU_VALUE_EVENT) {
        return; /* an answer that nobody waits for any more, or noise */
    }
    if (value->type == FWU_EVENT_TYPE || value->type == TYPE_UNREADABLE) {
        file_event(link, value);
    } else if (value->type <= CONNECTION_TYPES) {
        file_condition(link, value);
    }
}

/* --- waiting */

/* False at the deadline. Asks for bytes once even when it has passed. A line that is never silent is
 * listened to no longer than FWU_OVERTIME_MS past it. */
static bool next_value(struct fwu_link *link, uint32_t deadline_ms, struct fwu_value *value)
{
    bool is_last = false;

    while (!fwu_at_take(&link->at, value)) {
        int32_t left_ms = (int32_t)(deadline_ms - fwu_hal_now_ms());
        uint32_t room, came;
        uint8_t *data;

        if (is_last || left_ms < -(int32_t)FWU_OVERTIME_MS) {
            return false;
        }
        data = fwu_at_room(&link->at, &room);
        came = fwu_hal_get(data, room, left_ms > 0 ? (uint32_t)left_ms : 0);
        fwu_at_took(&link->at, came < room ? came : room);
        is_last = came == 0 || left_ms <= 0;
    }
    return true;
}

/* File what comes next; false at the deadline. */
static bool wait_on(struct fwu_link *link, uint32_t deadline_ms)
{
    struct fwu_value value;

    if (!next_value(link, deadline_ms, &value)) {
        return false;
    }
    file(link, &value);
    return true;
}

/* File events until count is not value any more. False at the deadline. */
static bool listen_for(struct fwu_link *link, const uint32_t *count, uint32_t value,
                       uint32_t duration_ms)
{
    uint32_t deadline_ms = fwu_hal_now_ms() + duration_ms;

    while (*count == value) {
        if (!wait_on(link, deadline_ms)) {
            return false;
        }
    }
    return true;
}

void fwu_link_listen(struct fwu_link *link, uint32_t duration_ms)
{
    const uint32_t never = 0;

    (void)listen_for(link, &never, 0, duration_ms);
}

void fwu_link_listen_for_sign(struct fwu_link *link, uint32_t duration_ms, uint32_t before)
{
    (void)listen_for(link, &link->sign_count, before, duration_ms);
}

enum fwu_condition fwu_link_condition(struct fwu_link *link, uint32_t timeout_ms)
{
    return listen_for(link, &link->conditions_count, 0, timeout_ms) ? take_condition(link)
                                                                    : FWU_CONDITION_NONE;
}

const struct fwu_event *fwu_link_hear(struct fwu_link *link, uint32_t timeout_ms)
{
    return listen_for(link, &link->events_count, link->events_heard, timeout_ms)
               ? &link->events[link->events_heard]
               : NULL;
}

/* --- asking */

/* The commands whose answers carry a line with their name, or may carry one. */
static bool is_query(struct fwu_scan head)
{
    static const char names[] = STATE_NAME "\0+QIOTREG\0" READ_NAME "\0+QIOTINFO\0+CSQ\0";
    const char *name;

    for (name = names; *name != '\0'; name += strlen(name) + 1u) {
        if (fwu_scan_is(&head, name)) {
            return true;
        }
    }
    return false;
}

static void note_line(struct fwu_answer *answer, const struct fwu_command *command,
                      const struct fwu_value *value)
{
    struct fwu_scan line = {value->text, value->text + value->size};
    struct fwu_scan head;
    bool has_colon;

    if (answer->lines == MOST_LINES) {
        return;
    }
    answer->lines++;
    has_colon = fwu_scan_until(&line, ':', &head);
    if (!is_name(command, head)) {
        if (is_query(head)) {
            answer->other = true;
        }
        return;
    }
    answer->own = true;
    if (has_colon && command->read_line != NULL) {
        fwu_scan_strip(&line);
        command->read_line(answer, line, command);
    }
    if (has_colon) {
        answer->has_info = true;
    }
}

static void note_payload(struct fwu_answer *answer, const struct fwu_command *command,
                         const struct fwu_value *value)
{
    static const char name[] = READ_NAME;
    struct fwu_scan read = {name, name + sizeof name - 1u};

    if (is_name(command, read)) {
        answer->own = true;
    } else {
        answer->other = true;
    }
    answer->has_payload = true;
    answer->clean = value->clean;
    answer->start = value->start;
}

static void forget(struct fwu_link *link, struct fwu_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->number = UINT32_MAX;
    fwu_at_release(&link->at);
}

/* Whether this is the answer to command and not a late one to something else. */
static bool answers(const struct fwu_answer *answer, const struct fwu_command *command)
{
    return !answer->other && (answer->own || !answer->ok || !command->wants_line);
}

/* An answer came to something before: to what was sent at first_ms or later. Of a link that is slow
 * the next ones may take a quarter more. */
static void came_late(struct fwu_link *link, uint32_t first_ms)
{
    const uint32_t most_ms = (1u + FWU_RETRIES) * FWU_RESPONSE_MS;
    uint32_t took_ms = fwu_hal_now_ms() - first_ms;
    uint32_t late_ms;

    if (!link->is_unanswered) {
        return;
    }
    took_ms = took_ms < 2u * most_ms ? took_ms : 2u * most_ms;
    took_ms = (took_ms * 5u + 3u) / 4u;
    late_ms = took_ms > FWU_RESPONSE_MS ? took_ms - FWU_RESPONSE_MS : 0;
    late_ms = late_ms < most_ms ? late_ms : most_ms;
    link->extra_ms = late_ms > link->extra_ms ? late_ms : link->extra_ms;
}

static enum fwu_reply answer_to(struct fwu_link *link, const struct fwu_command *command,
                                struct fwu_answer *answer)
{
    uint32_t sent_ms = fwu_hal_now_ms();
    uint32_t deadline_ms = sent_ms + FWU_RESPONSE_MS + link->extra_ms;
    uint32_t first_ms = link->is_unanswered ? link->unanswered_ms : sent_ms;
    struct fwu_value value;

    while (next_value(link, deadline_ms, &value)) {
        switch (value.kind) {
        case FWU_VALUE_LINE:
            note_line(answer, command, &value);
            break;
        case FWU_VALUE_PAYLOAD:
            note_payload(answer, command, &value);
            break;
        case FWU_VALUE_EVENT:
            file(link, &value);
            break;
        default:
            answer->ok = value.kind == FWU_VALUE_OK;
            if (answers(answer, command)) {
                link->is_unanswered = false;
                return answer->ok ? FWU_REPLY_OK : FWU_REPLY_ERROR;
            }
            came_late(link, first_ms);
            forget(link, answer);
            break;
        }
    }
    link->is_unanswered = true;
    link->unanswered_ms = first_ms;
    fwu_at_reset(&link->at);
    return FWU_REPLY_LOST;
}

enum fwu_reply fwu_link_ask(struct fwu_link *link, struct fwu_command *command,
                            struct fwu_answer *answer)
{
    struct fwu_value value;
    uint32_t size = command->size;
    bool sent;

    forget(link, answer);
    while (fwu_at_take(&link->at, &value)) {
        file(link, &value);
    }
    fwu_at_release(&link->at);
    fwu_command_add(command, "\r\n", 2);
    sent = fwu_hal_put((const uint8_t *)command->text, command->size);
    command->size = size; /* it may be said again */
    return sent ? answer_to(link, command, answer) : FWU_REPLY_LOST;
}

enum fwu_status fwu_link_get_in_step(struct fwu_link *link)
{
    struct fwu_command command;
    struct fwu_answer answer;
    uint32_t tries;

    fwu_command_begin(&command, STATE_NAME "?", 0, 0);
    command.wants_line = true;
    for (tries = 0; tries <= FWU_RETRIES; tries++) {
        if (fwu_link_ask(link, &command, &answer) != FWU_REPLY_LOST) {
            return FWU_OK;
        }
    }
    return FWU_NO_ANSWER;
}

enum fwu_status fwu_link_ask_until_answered(struct fwu_link *link, struct fwu_command *command,
                                            struct fwu_answer *answer)
{
    uint32_t tries;

    for (tries = 0; tries <= FWU_RETRIES; tries++) {
        if (fwu_link_ask(link, command, answer) != FWU_REPLY_LOST) {
            return FWU_OK;
        }
        if (fwu_link_get_in_step(link) != FWU_OK) {
            return FWU_NO_ANSWER;
        }
    }
    return FWU_NO_ANSWER;
}

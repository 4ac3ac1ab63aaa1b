#include "fwu_client.h"

#include <stddef.h>
#include <string.h>

#include "fwu_decide.h"
#include "fwu_hal.h"
#include "fwu_reader.h"
#include "fwu_tables.h"

#define MOST_DIGITS 9u
#define STATE_QUERY "+QIOTSTATE?"
#define REGISTERS_AT_BOOT 2u

enum action { ACTION_REFUSE, ACTION_CONFIRM, ACTION_NEXT_PIECE, ACTION_ANNOUNCE };

void fwu_client_begin(struct fwu_client *client)
{
    fwu_link_begin(&client->link);
    fwu_reader_begin(client);
}

/* Until there is an answer. FWU_REFUSED: it is ERROR. */
static enum fwu_status say(struct fwu_client *client, struct fwu_command *command)
{
    struct fwu_answer answer;
    enum fwu_status status = fwu_link_ask_until_answered(&client->link, command, &answer);

    return status == FWU_OK && !answer.ok ? FWU_REFUSED : status;
}

/* --- connection */

/* ERROR once is normal: an earlier run may have left half a command in the module. */
static enum fwu_status set_echo(struct fwu_client *client)
{
    struct fwu_command command;
    enum fwu_status status;

    fwu_command_begin(&command, "E0", 0, 0);
    status = say(client, &command);
    return status == FWU_REFUSED ? say(client, &command) : status;
}

static void read_number(struct fwu_answer *answer, struct fwu_scan text,
                        const struct fwu_command *command)
{
    uint32_t number;
    bool fits;

    (void)command;
    if (!answer->has_info && fwu_scan_number(&text, &number, &fits) - 1u < MOST_DIGITS &&
        fwu_scan_is_empty(&text)) {
        answer->number = number;
    }
}

/* What the answer to query says; UINT32_MAX: no number. */
static enum fwu_status ask_number(struct fwu_client *client, const char *query, uint32_t *number)
{
    struct fwu_command command;
    struct fwu_answer answer;
    enum fwu_status status;

    fwu_command_begin(&command, query, 0, 0);
    command.wants_line = true;
    command.read_line = read_number;
    status = fwu_link_ask_until_answered(&client->link, &command, &answer);
    *number = answer.number;
    return status;
}

/* A module that registers at every boot is left so: the mode is stored in it. */
static enum fwu_status start_registering(struct fwu_client *client)
{
    struct fwu_command command;
    enum fwu_status status;
    uint32_t mode;

    client->link.conditions_count = 0;
    status = ask_number(client, "+QIOTREG?", &mode);
    if (status != FWU_OK) {
        return status;
    }
    fwu_command_begin(&command, "+QIOTREG=#",
                      mode == REGISTERS_AT_BOOT ? REGISTERS_AT_BOOT : FWU_REGISTRATION_MODE, 0);
    return say(client, &command);
}

static enum fwu_status wait_until_ready(struct fwu_client *client)
{
    uint32_t deadline_ms = fwu_hal_now_ms() + FWU_READY_MS;

    for (;;) {
        enum fwu_condition condition;
        enum fwu_status status;
        uint32_t state, wait_ms;
        int32_t left_ms;

        status = ask_number(client, STATE_QUERY, &state);
        if (status != FWU_OK || state == FWU_STATE_READY) {
            return status;
        }
        if (state == FWU_STATE_INITIALISED) { /* it has lost its power since */
            status = start_registering(client);
            if (status != FWU_OK) {
                return status;
            }
        }
        left_ms = (int32_t)(deadline_ms - fwu_hal_now_ms());
        wait_ms = left_ms > 0 ? (uint32_t)left_ms : 0;
        condition =
            fwu_link_condition(&client->link, wait_ms < FWU_POLL_MS ? wait_ms : FWU_POLL_MS);
        if (left_ms <= 0 || condition == FWU_CONDITION_LASTING) {
            return FWU_REFUSED;
        }
    }
}

enum fwu_status fwu_client_connect(struct fwu_client *client)
{
    enum fwu_status status = set_echo(client);
    uint32_t state = 0;

    if (status == FWU_OK) {
        status = ask_number(client, STATE_QUERY, &state);
    }
    if (status == FWU_OK && state != FWU_STATE_READY) {
        status = start_registering(client);
        if (status == FWU_OK) {
            status = wait_until_ready(client);
        }
    }
    return status == FWU_OK ? fwu_reader_learn_most(client) : status;
}

/* --- versions and plans */

enum fwu_status fwu_client_report(struct fwu_client *client, const struct fwu_component *component,
                                  const struct fwu_version *version)
{
    struct fwu_command command;

    if (component->size - 1u >= FWU_COMPONENT_SIZE || version->size - 1u >= FWU_VERSION_SIZE ||
        !fwu_is_reportable(component->text, component->size) ||
        !fwu_is_reportable(version->text, version->size)) {
        return FWU_REFUSED; /* there is no such command */
    }
    fwu_command_begin(&command, "+QIOTMCUVER=\"", 0, 0);
    fwu_command_add(&command, component->text, component->size);
    fwu_command_add(&command, "\",\"", 3);
    fwu_command_add(&command, version->text, version->size);
    fwu_command_add(&command, "\"", 1);
    return say(client, &command);
}

static bool is_text(const struct fwu_scan *scan, const char *text, uint32_t size)
{
    return (size_t)(scan->end - scan->at) == size && memcmp(scan->at, text, size) == 0;
}

static void note_version(struct fwu_answer *answer, const struct fwu_command *command,
                         const struct fwu_scan *component, const struct fwu_scan *version)
{
    answer->told = true;
    if (is_text(component, command->component->text, command->component->size)) {
        answer->same = is_text(version, command->version->text, command->version->size);
    }
}

/* "component","version" or "component:version;component:version" */
static void read_versions(struct fwu_answer *answer, struct fwu_scan text,
                          const struct fwu_command *command)
{
    struct fwu_scan tokens[2];
    uint32_t count = fwu_scan_split(text, tokens, 2);
    bool has_more = true;

    if (count == 0 || count > 2) {
        return;
    }
    fwu_scan_unquote(&tokens[0]);
    if (count == 2) {
        fwu_scan_unquote(&tokens[1]);
        note_version(answer, command, &tokens[0], &tokens[1]);
        return;
    }
    while (has_more) {
        struct fwu_scan version, component;

        has_more = fwu_scan_until(&tokens[0], ';', &version);
        if (fwu_scan_until(&version, ':', &component)) {
            note_version(answer, command, &component, &version);
        }
    }
}

enum fwu_status fwu_client_knows(struct fwu_client *client, const struct fwu_component *component,
                                 const struct fwu_version *version, bool *told, bool *same)
{
    struct fwu_command command;
    struct fwu_answer answer;
    enum fwu_status status;

    fwu_command_begin(&command, "+QIOTMCUVER?", 0, 0);
    command.read_line = read_versions;
    command.component = component;
    command.version = version;
    status = fwu_link_ask_until_answered(&client->link, &command, &answer);
    *told = answer.told;
    *same = answer.same;
    return status;
}

enum fwu_status fwu_client_request_plan(struct fwu_client *client)
{
    struct fwu_command command;

    fwu_command_begin(&command, "+QIOTOTAREQ=1", 0, 0);
    return say(client, &command);
}

/* --- actions. What may be repeated after a lost answer: the table is in client.py */

/* Whether the piece that was held is gone. FWU_NO_ANSWER where no byte of it is known: then nothing
 * is certain. */
static enum fwu_status is_piece_gone(struct fwu_client *client, bool *gone)
{
    struct fwu_bytes data;
    enum fwu_status status;

    if (!client->holds) {
        return FWU_NO_ANSWER;
    }
    status = fwu_client_read(client, client->offset, 1, &data);
    *gone = data.size == 0;
    return status;
}

/* Whether the action has worked though its answer was lost; asked before a repeat. */
static enum fwu_status took_effect(struct fwu_client *client, enum action action, uint32_t before,
                                   bool *worked)
{
    bool has_sign = client->link.sign_count != before;

    *worked = has_sign && (action == ACTION_CONFIRM || action == ACTION_NEXT_PIECE);
    if (action == ACTION_NEXT_PIECE && !has_sign) {
        return is_piece_gone(client, worked);
    }
    return FWU_OK;
}

/* Likewise, when a repeat got ERROR. */
static bool had_worked(struct fwu_client *client, enum action action, uint32_t before)
{
    struct fwu_link *link = &client->link;

    switch (action) {
    case ACTION_REFUSE:
        return true; /* no plan is left to refuse */
    case ACTION_CONFIRM:
        fwu_link_listen_for_sign(link, FWU_SIGN_MS + link->extra_ms, before);
        return link->sign_count != before;
    case ACTION_NEXT_PIECE:
        return link->sign_count != before;
    default:
        return false;
    }
}

static enum fwu_status act(struct fwu_client *client, enum action action)
{
    struct fwu_link *link = &client->link;
    uint32_t before = link->sign_count;
    uint32_t errors = action == ACTION_CONFIRM ? FWU_ERROR_RETRIES : 0; /* that may come yet */
    uint32_t lost = 0;
    struct fwu_command command;
    struct fwu_answer answer;

    fwu_command_begin(&command, "+QIOTUPDATE=#", (uint32_t)action, 0);
    while (lost <= FWU_RETRIES) {
        enum fwu_reply reply = fwu_link_ask(link, &command, &answer);

        if (reply == FWU_REPLY_LOST) {
            bool worked;

            lost++;
            if (fwu_link_get_in_step(link) != FWU_OK ||
                took_effect(client, action, before, &worked) != FWU_OK) {
                return FWU_NO_ANSWER;
            }
            if (worked) {
                return FWU_OK;
            }
        } else if (reply == FWU_REPLY_OK || (lost > 0 && had_worked(client, action, before))) {
            return FWU_OK;
        } else if (errors == 0) {
            return FWU_REFUSED;
        } else {
            errors--;
            fwu_link_listen(link, FWU_ERROR_RETRY_MS);
        }
    }
    return FWU_NO_ANSWER;
}

enum fwu_status fwu_client_refuse(struct fwu_client *client)
{
    return act(client, ACTION_REFUSE);
}

/* ERROR is asked again: the plan is printed before the module has stored it. */
enum fwu_status fwu_client_confirm(struct fwu_client *client)
{
    return act(client, ACTION_CONFIRM);
}

enum fwu_status fwu_client_next_piece(struct fwu_client *client)
{
    enum fwu_status status;

    fwu_link_listen(&client->link, 0);
    status = act(client, ACTION_NEXT_PIECE);
    if (status == FWU_OK) {
        fwu_reader_given_away(client);
    }
    return status;
}

enum fwu_status fwu_client_announce(struct fwu_client *client)
{
    return act(client, ACTION_ANNOUNCE);
}

/* --- events */

void fwu_client_next_event(struct fwu_client *client, uint32_t timeout_ms, struct fwu_event *event)
{
    struct fwu_link *link = &client->link;
    const struct fwu_event *next = link->events; /* where one was passed over: it was noted then */

    if (link->events_heard > 0) {
        link->events_heard--;
    } else {
        next = fwu_link_hear(link, timeout_ms);
        if (next == NULL) {
            event->kind = FWU_EVENT_NONE;
            return;
        }
        fwu_reader_note(client, next);
    }
    *event = *next;
    fwu_link_drop(link, 0);
}

bool fwu_client_pass_over(struct fwu_client *client)
{
    struct fwu_link *link = &client->link;
    const struct fwu_event *next;

    while ((next = fwu_link_hear(link, 0)) != NULL) {
        bool is_malformed = next->kind == FWU_EVENT_MALFORMED;

        fwu_reader_note(client, next);
        if (is_malformed || next->kind == FWU_EVENT_STARTED ||
            next->kind == FWU_EVENT_DOWNLOADING || next->kind == FWU_EVENT_PIECE) {
            fwu_link_drop(link, link->events_heard);
        } else {
            link->events_heard++;
        }
        if (is_malformed) {
            return false;
        }
    }
    return true;
}

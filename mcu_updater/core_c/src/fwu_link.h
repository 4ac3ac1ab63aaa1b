/* One command, one answer: over a line where either may be lost and events come in between. The twin
 * in Python is mcu_updater/quectel/link.py, which says why it is done so. */
#ifndef FWU_LINK_H
#define FWU_LINK_H

#include "fwu_at.h"
#include "fwu_event.h"
#include "fwu_scan.h"
#include "fwu_status.h"

/* What a state of the connection that the module has told means to whoever waits for it. */
enum fwu_condition {
    FWU_CONDITION_NONE,
    FWU_CONDITION_FINE,
    FWU_CONDITION_ERROR, /* may mend by itself */
    FWU_CONDITION_LASTING
};

struct fwu_link {
    uint32_t sign_count;    /* events that prove that an upgrade goes on, or was given up */
    uint32_t extra_ms;      /* how much later than expected this link brings answers */
    uint32_t unanswered_ms; /* when the first command was sent of which no answer has come since */
    uint32_t events_count;
    uint32_t events_heard; /* of them, at the front: fwu_link_hear has given them once */
    uint32_t conditions_count;
    bool is_unanswered;
    uint8_t conditions[FWU_CONNECTION_EVENTS]; /* enum fwu_condition */
    struct fwu_event events[FWU_EVENTS];
    struct fwu_at at;
};

/* What came before a final result, of all that any command wants to know. */
struct fwu_answer {
    bool ok;
    bool own;   /* a line, or the payload, has the name of the command */
    bool other; /* ... of another query */
    bool has_info;
    bool has_payload;
    bool clean;     /* the payload is */
    bool told;      /* versions: any at all */
    bool same;      /* versions: the one that was asked about */
    uint32_t lines;
    uint32_t start; /* of the payload */
    uint32_t number; /* that the first line with the name says; UINT32_MAX: none */
};

#define FWU_COMMAND_SIZE 120u /* bytes; the longest states a version of 64 characters */

struct fwu_command {
    /* Looks at the text behind the name and colon of a line; NULL: nothing of that is wanted. */
    void (*read_line)(struct fwu_answer *answer, struct fwu_scan text,
                      const struct fwu_command *command);
    const struct fwu_component *component; /* for read_line */
    const struct fwu_version *version;
    bool wants_line; /* an answer without a line of this name is another's */
    uint32_t name_size;
    uint32_t size;
    char text[FWU_COMMAND_SIZE];
};

/* The command that format says, such as "+QIOTREG=#": AT stands before it, and for the first # in it
 * first, for the next one second. Its name ends before = or ?. fwu_command_add what else there is. */
void fwu_command_begin(struct fwu_command *command, const char *format, uint32_t first,
                       uint32_t second);
void fwu_command_add(struct fwu_command *command, const char *text, uint32_t size);

void fwu_link_begin(struct fwu_link *link);

enum fwu_reply {
    FWU_REPLY_LOST, /* no answer within the response timeout */
    FWU_REPLY_OK,
    FWU_REPLY_ERROR
};

/* Send once, in one write. */
enum fwu_reply fwu_link_ask(struct fwu_link *link, struct fwu_command *command,
                            struct fwu_answer *answer);

/* After a lost answer: let late ones go by. FWU_NO_ANSWER: none comes. */
enum fwu_status fwu_link_get_in_step(struct fwu_link *link);

/* For commands that may be carried out twice: asks until there is an answer, OK or ERROR. */
enum fwu_status fwu_link_ask_until_answered(struct fwu_link *link, struct fwu_command *command,
                                            struct fwu_answer *answer);

/* File events for so long; with until_sign no longer than until the sign count is not before. */
void fwu_link_listen(struct fwu_link *link, uint32_t duration_ms);
void fwu_link_listen_for_sign(struct fwu_link *link, uint32_t duration_ms, uint32_t before);

/* The next event of the connection; FWU_CONDITION_NONE after timeout_ms without one. */
enum fwu_condition fwu_link_condition(struct fwu_link *link, uint32_t timeout_ms);

/* The next event that was not heard yet, which stays where it is, at the place events_heard; NULL
 * after timeout_ms without one. */
const struct fwu_event *fwu_link_hear(struct fwu_link *link, uint32_t timeout_ms);
/* Drop the event at that place. */
void fwu_link_drop(struct fwu_link *link, uint32_t place);

#endif

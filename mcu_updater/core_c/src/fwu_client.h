/* The module as the updater sees it, over AT commands. The twin in Python is mcu_updater/quectel/client.py
 * with link.py, reader.py and at.py: what may be repeated after a lost answer, and why, stands there. */
#ifndef FWU_CLIENT_H
#define FWU_CLIENT_H

#include "fwu_at.h"   /* struct fwu_at: parser of what the module prints */
#include "fwu_event.h"
#include "fwu_link.h" /* struct fwu_link: one command, one answer; queues of events */
#include "fwu_status.h"

struct fwu_client {
    /* reads: fwu_reader.h */
    uint32_t read_most; /* what the module takes at once */
    uint32_t read_now;  /* what to ask for: less while the line spoils answers */
    uint32_t read_good; /* answers in a row */
    uint8_t tail;       /* enum fwu_tail: how the module ends data */
    bool holds;         /* the module is known to hold the byte at offset */
    uint32_t offset;
    struct fwu_link link; /* large, and so the last */
};

/* Every function returns FWU_OK, FWU_NO_ANSWER where retries did not bring an answer, or where it says
 * so FWU_REFUSED. None looks at flash. */

void fwu_client_begin(struct fwu_client *client);

/* Make sure that the module is registered and ready (state 8). FWU_REFUSED: it does not get ready. */
enum fwu_status fwu_client_connect(struct fwu_client *client);

/* AT+QIOTMCUVER=: state the running version. During an upgrade this is the verdict. Or FWU_REFUSED. */
enum fwu_status fwu_client_report(struct fwu_client *client, const struct fwu_component *component,
                                  const struct fwu_version *version);

/* AT+QIOTMCUVER?: what the module has stored. *told: it says any version at all; *same: it says
 * version for component. */
enum fwu_status fwu_client_knows(struct fwu_client *client, const struct fwu_component *component,
                                 const struct fwu_version *version, bool *told, bool *same);

/* AT+QIOTOTAREQ=1: ask for a plan, with SHA-256. No plan means no event. Or FWU_REFUSED. */
enum fwu_status fwu_client_request_plan(struct fwu_client *client);

enum fwu_status fwu_client_refuse(struct fwu_client *client);     /* AT+QIOTUPDATE=0; or REFUSED */
enum fwu_status fwu_client_confirm(struct fwu_client *client);    /* AT+QIOTUPDATE=1; or REFUSED */
enum fwu_status fwu_client_next_piece(struct fwu_client *client); /* AT+QIOTUPDATE=2; or REFUSED */
enum fwu_status fwu_client_announce(struct fwu_client *client);   /* AT+QIOTUPDATE=3; or REFUSED */

/* AT+QIOTOTARD=: package bytes from the absolute offset start, at most size. *data is valid until the
 * next call of the client. data->size 0: the module answers ERROR, or gives none. */
enum fwu_status fwu_client_read(struct fwu_client *client, uint32_t start, uint32_t size,
                                struct fwu_bytes *data);

/* The next OTA event in order of arrival; kind FWU_EVENT_NONE after timeout_ms without one,
 * FWU_EVENT_MALFORMED for one that cannot be read. Never fails. */
void fwu_client_next_event(struct fwu_client *client, uint32_t timeout_ms,
                           struct fwu_event *event);

/* Drop the events of a download (10701 to 10703) that have arrived: they are older than what a probe
 * found. The others stay, in their order. False: one cannot be read; it is gone, and those behind it
 * were not looked at. */
bool fwu_client_pass_over(struct fwu_client *client);

#endif

/* Firmware out of the module: AT+QIOTOTARD. The twin in Python is mcu_updater/quectel/reader.py with
 * read_size.py. Parts of struct fwu_client; fwu_client_read is declared there. */
#ifndef FWU_READER_H
#define FWU_READER_H

#include "fwu_client.h"

enum fwu_tail {
    FWU_TAIL_UNKNOWN,
    FWU_TAIL_RIGHT, /* data that do not end so are spoilt */
    FWU_TAIL_OWN    /* in a style of its own */
};

void fwu_reader_begin(struct fwu_client *client);

/* The most that one read may ask for, as AT+QIOTOTARD=? says. FWU_NO_ANSWER, or FWU_OK. */
enum fwu_status fwu_reader_learn_most(struct fwu_client *client);

/* An event was heard: a piece has come, perhaps. */
void fwu_reader_note(struct fwu_client *client, const struct fwu_event *event);

/* The next piece was asked for: none is held. */
void fwu_reader_given_away(struct fwu_client *client);

#endif

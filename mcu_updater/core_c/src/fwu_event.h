/* OTA events of the module: +QIOTEVT: 7,107xx. The twin in Python is mcu_updater/core/ota.py and
 * mcu_updater/quectel/ota_events.py. */
#ifndef FWU_EVENT_H
#define FWU_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "fwu_bytes.h"
#include "fwu_journal.h"

/* Which text of the module it is, of any length: two are the same where size and CRC-32 are. */
struct fwu_mark {
    uint32_t size;
    uint32_t crc;
};

/* One whose characters are wanted, too: text is its beginning, the rest of it zero. */
struct fwu_text {
    struct fwu_mark mark;
    char text[FWU_VERSION_SIZE];
};

/* 10700: the cloud offers an upgrade. It is compared at once: no gap may be in it. */
struct fwu_plan {
    struct fwu_mark component;
    struct fwu_mark source; /* empty: any version may be upgraded */
    struct fwu_text target;
    uint32_t battery;       /* percent, at least; 0: no limit */
    uint32_t space;         /* bytes of the package */
    int64_t signal;         /* dBm, at least; 0: no limit */
};

/* 10701: the module begins to download. */
struct fwu_started {
    struct fwu_mark component;
    bool has_sha256;
    struct fwu_package package; /* sha256 is zero where there is none */
};

/* 10703: the module holds package bytes [start, start + size) and nothing else. */
struct fwu_piece {
    struct fwu_mark component;
    uint32_t length; /* of the whole package */
    uint32_t start;
    uint32_t size;
};

enum fwu_event_kind {
    FWU_EVENT_NONE,
    FWU_EVENT_PLAN,        /* 10700 */
    FWU_EVENT_STARTED,     /* 10701 */
    FWU_EVENT_DOWNLOADING, /* 10702 */
    FWU_EVENT_PIECE,       /* 10703 */
    FWU_EVENT_UPDATING,    /* 10704 */
    FWU_EVENT_SUCCEEDED,   /* 10705 */
    FWU_EVENT_FAILED,      /* 10706 */
    FWU_EVENT_OTHER,       /* changes nothing here */
    FWU_EVENT_MALFORMED    /* a known code whose arguments cannot be read */
};

struct fwu_event {
    uint8_t kind;  /* enum fwu_event_kind */
    uint16_t code; /* as on the line; 0 where it cannot be read, 65535 stands for all above */
    uint16_t size; /* of the arguments as they came, */
    uint32_t crc;  /* and their CRC-32, which begins with the type */
    union {
        struct fwu_mark component; /* with which all of them begin */
        struct fwu_plan plan;
        struct fwu_started started;
        struct fwu_piece piece;
    } is;
};

#define FWU_EVENT_TYPE 7u /* of the types that +QIOTEVT has */

/* The event of arguments, size bytes, behind +QIOTEVT: type,code */
void fwu_event_parse(struct fwu_event *event, uint32_t type, uint32_t code, const char *arguments,
                     uint32_t size);

/* The value of event's crc for these. */
uint32_t fwu_event_crc(uint32_t type, const char *arguments, uint32_t size);

bool fwu_mark_is(const struct fwu_mark *mark, const char *name, uint32_t size);
/* The mark of name. */
void fwu_mark_set(struct fwu_mark *mark, const char *name, uint32_t size);

#endif

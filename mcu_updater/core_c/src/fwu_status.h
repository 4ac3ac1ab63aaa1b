/* How functions end, and what was wrong with a package. */
#ifndef FWU_STATUS_H
#define FWU_STATUS_H

enum fwu_status {
    FWU_OK = 0,
    FWU_REJECTED,  /* the package or its image breaks a rule: see enum fwu_fault */
    FWU_NOT_HELD,  /* flash does not hold what was written */
    FWU_NO_ANSWER, /* the module does not answer, and retries did not help */
    FWU_REFUSED    /* the module answered ERROR */
};

/* The rule that a package breaks. Each names one message of the Python decoders. */
enum fwu_fault {
    FWU_FAULT_NONE = 0,
    /* the package as a whole */
    FWU_FAULT_EMPTY,          /* no bytes at all */
    FWU_FAULT_FORMAT,         /* text, an archive, or another format that is not read here */
    FWU_FAULT_BYTE_ORDER_MARK,
    FWU_FAULT_MD5,
    FWU_FAULT_SHA256,
    FWU_FAULT_LARGER_THAN_SLOT,
    FWU_FAULT_UNTRUSTED,      /* this device has confirmed a signed image, and checks no signature */
    FWU_FAULT_CHECKPOINT,     /* in several pieces, and the trailer has no room to go on from one */
    FWU_FAULT_FIRST_PIECE,    /* the first piece is too small to tell the format */
    FWU_FAULT_CARRIED_ON,     /* the checkpoint is of another program: of an archive, or a delta */
    /* where the image lies */
    FWU_FAULT_NO_VECTORS,     /* shorter than a vector table */
    FWU_FAULT_SIGNED,         /* begins with the header of a signed image */
    FWU_FAULT_STACK_ALIGNMENT,
    FWU_FAULT_STACK_PLACE,    /* the initial stack pointer is not in RAM */
    FWU_FAULT_THUMB,          /* the reset vector is even */
    FWU_FAULT_OTHER_ADDRESS,  /* the reset vector is not in the slot */
    FWU_FAULT_OUTSIDE,        /* data outside the slot */
    FWU_FAULT_ORDER,          /* data overlap, or do not ascend */
    FWU_FAULT_PAST_4_GIB,
    /* lines of Intel HEX and S-records */
    FWU_FAULT_CONTROL,        /* a control character */
    FWU_FAULT_LONG_LINE,
    FWU_FAULT_NO_RECORD,      /* the line does not begin as a record does */
    FWU_FAULT_DIGIT,
    FWU_FAULT_ODD_DIGITS,
    FWU_FAULT_SHORT_RECORD,
    FWU_FAULT_LENGTH_FIELD,   /* the record's length is not what its length field says */
    FWU_FAULT_CHECKSUM,
    FWU_FAULT_TYPE,           /* unknown record type */
    FWU_FAULT_RECORD_LENGTH,  /* a length that records of this type do not have */
    FWU_FAULT_RECORD_ADDRESS, /* an address where the type has none */
    FWU_FAULT_NO_DATA,        /* an end record, and no data before it */
    FWU_FAULT_AFTER_END,
    FWU_FAULT_NO_END,         /* the end record is missing */
    FWU_FAULT_MIXED,          /* HEX: segment and linear addresses */
    FWU_FAULT_TWO_STARTS,     /* HEX: start address given twice */
    FWU_FAULT_WINDOW,         /* HEX: a record runs past its 64 KiB window */
    FWU_FAULT_UNIVERSAL,      /* HEX: of several boards */
    FWU_FAULT_HEADER,         /* S0 is not the first record */
    FWU_FAULT_COUNT,          /* S5 or S6 counts otherwise */
    FWU_FAULT_TERMINATOR      /* S7, S8 or S9 after data of another width */
};

#endif

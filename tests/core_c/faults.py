"""What Python says of a package that breaks a rule, and the code that the C core has for it."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core_c.native import Native


class Fault(NamedTuple):
    """*name*: of enum fwu_fault, without FWU_FAULT_. *line* and *column* from 1; 0: no text."""

    name: str
    line: int = 0
    column: int = 0


CODES: Final = {
    "image is empty": "EMPTY",
    "the package is empty": "EMPTY",
    "image begins with a byte order mark": "BYTE_ORDER_MARK",
    "format is known and cannot be read": "FORMAT",
    "text, and no image format that is known": "FORMAT",
    "MD5 of the package is wrong": "MD5",
    "SHA-256 of the package is wrong": "SHA256",
    "the package is larger than the slot": "LARGER_THAN_SLOT",
    "the package comes in pieces, and a checkpoint cannot hold what one leaves": "CHECKPOINT",
    "the first piece is too small to tell the format": "FIRST_PIECE",
    "image is shorter than its vector table": "NO_VECTORS",
    "image without a vector table": "NO_VECTORS",
    "a signed image, and nobody has said whose signature counts": "SIGNED",
    "initial stack pointer is not aligned": "STACK_ALIGNMENT",
    "initial stack pointer is not in RAM": "STACK_PLACE",
    "reset vector has no Thumb bit": "THUMB",
    "image linked for another address": "OTHER_ADDRESS",
    "data outside the slot": "OUTSIDE",
    "data overlap, or do not ascend": "ORDER",
    "image runs past 4 GiB": "PAST_4_GIB",
    "record runs past 4 GiB": "PAST_4_GIB",
    "control character in the text": "CONTROL",
    "line is too long": "LONG_LINE",
    "line is no Intel HEX record": "NO_RECORD",
    "line is no S-record record": "NO_RECORD",
    "not a hex digit": "DIGIT",
    "odd number of hex digits": "ODD_DIGITS",
    "record is too short": "SHORT_RECORD",
    "record length does not match its length field": "LENGTH_FIELD",
    "record checksum is wrong": "CHECKSUM",
    "unknown record type": "TYPE",
    "end-of-file record has the wrong length": "RECORD_LENGTH",
    "extended segment address record has the wrong length": "RECORD_LENGTH",
    "start segment address record has the wrong length": "RECORD_LENGTH",
    "extended linear address record has the wrong length": "RECORD_LENGTH",
    "start linear address record has the wrong length": "RECORD_LENGTH",
    "record has the wrong length": "RECORD_LENGTH",
    "end-of-file record has an address": "RECORD_ADDRESS",
    "extended segment address record has an address": "RECORD_ADDRESS",
    "start segment address record has an address": "RECORD_ADDRESS",
    "extended linear address record has an address": "RECORD_ADDRESS",
    "start linear address record has an address": "RECORD_ADDRESS",
    "image holds no data": "NO_DATA",
    "data after the end-of-file record": "AFTER_END",
    "data after the S7, S8 or S9 terminator": "AFTER_END",
    "end-of-file record is missing": "NO_END",
    "S7, S8 or S9 terminator is missing": "NO_END",
    "segment and linear addresses are mixed": "MIXED",
    "start address is given twice": "TWO_STARTS",
    "record runs past its 64 KiB window": "WINDOW",
    "a universal HEX, which holds images of several boards": "UNIVERSAL",
    "header is not the first record": "HEADER",
    "count record does not match": "COUNT",
    "terminator does not match the data records": "TERMINATOR",
}
"""By ``UpdaterError.what``."""

ELSEWHERE: Final = {
    "an ELF file cannot be read as a stream",
    "a delta package is no image: it makes one of the image that it is for",
    "a delta package, and no image to apply it to",
    "suffix and content disagree",
}
"""What Python says of formats that it reads elsewhere, where the C core has refused already; and of
names of files, which a package over the air has not."""

OF_THE_UPDATER: Final = {"NONE", "UNTRUSTED", "CARRIED_ON"}
"""Codes that no decoder, writer or loader of Python has words for."""

_PLACE: Final = re.compile(r"line (\d+), column (\d+)")


def expected(error: ImageRejected) -> Fault:
    """What the C core has to say where Python says *error*."""
    place = _PLACE.fullmatch(error.where)
    line, column = map(int, place.groups()) if place else (0, 0)
    return Fault(CODES[error.what], line, column)


def name_of(core: Native, code: int) -> str:
    """*code* without FWU_FAULT_."""
    names: dict[int, Any] = core.ffi.typeof("enum fwu_fault").elements
    return str(names[code]).removeprefix("FWU_FAULT_")

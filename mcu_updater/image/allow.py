"""Rules that a reader may be asked to relax, one by one. What comes over the air is read strictly.

docs/formats.md says what each rule stops. A rule without a switch here cannot be relaxed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Allow(StrEnum):
    """What to let pass, and what is then made of it."""

    BOM = "bom"  # a UTF-8 byte order mark before the text; it is dropped
    CR = "cr"  # lines that end with CR alone
    NO_END = "no-end"  # no end record: the image ends with the file
    AFTER_END = "after-end"  # text after the end record; it is ignored, whatever it says
    END_ADDRESS = "end-address"  # HEX: an end record with an address; it is taken as the entry
    MIXED = "mixed"  # HEX: types 02 and 04 in one file; each replaces the other
    COUNT = "count"  # S-record: a count record that counts otherwise
    TERMINATOR = "terminator"  # S-record: S7, S8 or S9 after data of another width
    WIDTHS = "widths"  # S-record: S1, S2 and S3 in one file
    SAME = "same"  # bytes given twice, equal both times; files only, what is streamed ascends
    GAPS = "gaps"  # segments without number, and gaps of any size; files only
    MACHINE = "machine"  # ELF: for another machine than Arm


Allowed = frozenset[Allow]

STRICT: Final[Allowed] = frozenset()

"""Rules that a reader may be asked to relax, one by one. What comes over the air is read strictly.

docs/reference/formats.md says what each rule stops. A rule without a switch here cannot be relaxed.
An error carries its rule (``UpdaterError.rule``); how a user asks for it is the command line's
matter.
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
    MIXED = "mixed"  # HEX: types 02 and 04, the other one not zero; each replaces the other
    WINDOW = "window"  # HEX: a record across 64 KiB goes on above
    STARTS = "starts"  # HEX: several start addresses; the first is kept
    COMMENTS = "comments"  # texts: lines that begin with ; # or //, and what is behind one of these
    BLANKS = "blanks"  # texts: blanks and tabs around a line are dropped
    HEADERS = "headers"  # S-record: S0 anywhere, any number of times
    COUNT = "count"  # S-record: a count record that counts otherwise
    TERMINATOR = "terminator"  # S-record: S7, S8 or S9 after data of another width
    SAME = "same"  # bytes given twice, equal both times; files only, what is streamed ascends
    GAPS = "gaps"  # segments without number, and gaps of any size; files only
    MACHINE = "machine"  # ELF: for another machine than Arm
    VIRTUAL = "virtual"  # ELF: no physical addresses; the virtual ones are taken


class Rule(StrEnum):
    """Rules that are relaxed in other ways than by reading leniently."""

    RAW = "raw"  # text and what is known to be something else are no raw binary
    NAME = "name"  # the name of a file agrees with its content
    VECTORS = "vectors"  # an image begins with a vector table for the place where it goes
    OUTSIDE = "outside"  # no part of an image lies in another memory than flash
    ORDER = "order"  # what is written while it comes ascends
    SIGNED = "signed"  # a signed image wants a key
    STREAM = "stream"  # what is read as a stream is no ELF file


Allowed = frozenset[Allow]

STRICT: Final[Allowed] = frozenset()

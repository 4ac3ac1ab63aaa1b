"""Many records at once: the short way for neighbouring lines that are built alike.

A compiler's output is thousands of data records of one length, each where the one before ends. What
a decoder does for each of them, ``unhexlify`` and arithmetic do for all of them in a few calls: the
bytes of all records are one large integer, whose fields are compared, and added up, side by side.
Nothing is refused here: where anything is unusual the answer is None, and the decoder looks at the
lines one by one.
"""

from __future__ import annotations

from binascii import unhexlify
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Final

MOST_ROWS: Final = 256  # lines of one run; bounds what is held, and the largest ``_Layout``
LEAST_ROWS: Final = 8  # lines that are worth being decoded together
_MOST_PAIRS: Final = 128  # of a record's bytes: they sum up to less than 65,536


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How the data records of a run are built. *mark*: the character that each line begins with.

    *kind*: the digit behind it, for S-records: with a zero in place of the mark, it is a byte of
    the record like all others. *uncounted*: bytes that the length field does not count. *head*:
    bytes of a record before its data: kind, length, address of *width* bytes, and zeros.
    *good_sum*: low byte of the sum of all bytes, kind and checksum included.
    """

    mark: bytes
    kind: int | None
    uncounted: int
    width: int
    head: int
    good_sum: int


Run = tuple[int, bytes]
"""The data of all records, which follow one another from an address on."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """So many records of one size, side by side in one integer, the first one on top."""

    data: Struct
    marks: bytes  # those of all lines
    zeros: bytearray | None  # what they become; None: they are taken away
    below: int  # bits below the head of the first
    first: int  # that head, for address 0
    last: int  # the largest address of that width, for the first
    behind: int  # bits of a head behind the address
    heads: int  # mask: the head of each record
    each: int  # the end of the head of each: what it is multiplied by is there in each
    steps: int  # how far the address of each is behind that of the first
    pairs: int  # mask: every second byte of a record
    lanes: int  # what is multiplied by it has the sum of all pairs on top of each record
    sums: int  # mask: the low byte of that
    good: int  # what has to be there


def _repeated(field: int, size: int, times: int) -> int:
    """*field*, of *size* bytes, so many times side by side."""
    return int.from_bytes(field.to_bytes(size, "big") * times, "big")


@lru_cache(maxsize=16)
def _layout(rows: int, pitch: int, form: Form) -> _Layout | None:
    """None where no record of *form* is on a line of *pitch* characters."""
    size, odd = divmod(pitch - 1 - (form.kind is None), 2)
    held, pairs = size - form.head - 1, size // 2
    if odd or held <= 0 or pairs > _MOST_PAIRS:
        return None
    begin = bytes((size - form.uncounted,))
    if form.kind is not None:
        begin = bytes((form.kind,)) + begin
    zeros = form.head - len(begin) - form.width
    behind = size - form.head  # bytes, of a record
    # Where the size is odd, the first byte is in no pair, but known.
    good = form.good_sum - begin[0] * (size % 2) & 0xFF

    def of_each(field: int) -> int:
        return _repeated(field, size, rows)

    steps = (row * held << 8 * (behind + zeros) for row in range(rows))

    return _Layout(
        data=Struct(f"{form.head}x{held}sx" * rows),
        marks=form.mark * rows,
        zeros=None if form.kind is None else bytearray(b"0" * rows),
        below=8 * (size * rows - form.head),
        first=int.from_bytes(begin, "big") << 8 * (form.head - len(begin)),
        last=(1 << 8 * form.width) - held * rows,
        behind=8 * zeros,
        heads=of_each((1 << 8 * form.head) - 1 << 8 * behind),
        each=of_each(1 << 8 * behind),
        steps=int.from_bytes(b"".join(step.to_bytes(size, "big") for step in steps), "big"),
        pairs=of_each(_repeated(0xFF, 2, pairs)),
        lanes=_repeated(1, 2, pairs),
        sums=of_each(0xFF << 16 * (pairs - 1)),
        good=of_each(good << 16 * (pairs - 1)),
    )


def alike(text: bytes, begin: int, end: int, pitch: int) -> int:
    """How many lines from *begin* on have an LF every *pitch* characters; one at least, many at
    most. There may be other LFs between."""
    ends = text[begin + pitch - 1 : min(end, begin + pitch * MOST_ROWS) : pitch]
    return len(ends) - len(ends.lstrip(b"\n"))


def joined_run(text: bytes, pitch: int, form: Form) -> Run | None:
    """The data of *text*, lines of *pitch* characters, LF included; None: not all is regular.

    Regular: every line is a data record of *form*, of one size, whose length and sum are right, and
    each address is where the record before ends; the last one ends within what addresses of that
    width can say.
    """
    layout = _layout(len(text) // pitch, pitch, form)
    if layout is None:
        return None
    digits = bytearray(text)
    del digits[pitch - 1 :: pitch]
    width = pitch - 1
    if digits[::width] != layout.marks:
        return None
    if layout.zeros is None:
        del digits[::width]
    else:
        digits[::width] = layout.zeros
    try:
        raw = unhexlify(digits)
    except ValueError:
        return None
    records = int.from_bytes(raw, "big")
    address = (records >> layout.below) - layout.first >> layout.behind
    if not 0 <= address <= layout.last:
        return None
    head = layout.first + (address << layout.behind)
    if records & layout.heads != head * layout.each + layout.steps:
        return None
    # A pair of bytes has two bytes for its sum, and so have the sums of all pairs of a record up to
    # each: 128 times 510 at most. Of the record below only what is no higher reaches into them.
    pairs = (records & layout.pairs) + (records >> 8 & layout.pairs)
    if pairs * layout.lanes & layout.sums != layout.good:
        return None
    return address, b"".join(layout.data.unpack(raw))

"""Many records at once: the short way for neighbouring lines that are built alike.

A compiler's output is thousands of data records of one length, each where the one before ends. What
a decoder does for each of them, ``unhexlify``, ``adler32`` and ``struct`` do for all of them in a
few calls. Nothing is refused here: where anything is unusual the answer is None, and the decoder
looks at the lines one by one.
"""

from __future__ import annotations

from binascii import unhexlify
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple
from zlib import adler32

MOST_ROWS: Final = 256  # lines of one run; bounds what is held, and the largest ``_Layout``
LEAST_ROWS: Final = 8  # lines that are worth being decoded together
_MOST_BYTES: Final = 256  # of a record: their sum is below the modulus of adler32
_WORD: Final = 4  # bytes of the widest address


class Form(NamedTuple):
    """How the data records of a run are built. *mark*: characters that each line begins with.

    *uncounted*: bytes that the length field does not count. *head*: bytes of a record before its
    data: length, address of *width* bytes, and zeros. *good_sum*: low byte of the sum of all bytes,
    checksum included.
    """

    mark: bytes
    uncounted: int
    width: int
    head: int
    good_sum: int


class Run(NamedTuple):
    """*data* of all records, which follow one another from *address* on."""

    address: int
    data: bytes


class _Layout(NamedTuple):
    """For so many records of one size, side by side."""

    records: Struct
    data: Struct
    sums: Struct
    addresses: Struct


@lru_cache(maxsize=16)
def _layout(rows: int, size: int, head: int) -> _Layout:
    return _Layout(
        records=Struct(f"{size}s" * rows),
        data=Struct(f"{head}x{size - head - 1}sx" * rows),
        sums=Struct(f"<{rows}I"),
        addresses=Struct(f">{rows}I"),
    )


def alike(text: bytes, begin: int, end: int, pitch: int) -> int:
    """How many lines from *begin* on have an LF every *pitch* characters; one at least, many at
    most. There may be other LFs between."""
    few = begin + pitch * LEAST_ROWS
    if few > end or text[begin + pitch - 1 : few : pitch] != b"\n" * LEAST_ROWS:
        return 1
    ends = text[begin + pitch - 1 : min(end, begin + pitch * MOST_ROWS) : pitch]
    return len(ends) - len(ends.lstrip(b"\n"))


def joined_run(text: bytes, pitch: int, form: Form) -> Run | None:
    """The data of *text*, lines of *pitch* characters, LF included; None: not all is regular.

    Regular: every line is a data record of *form*, of one size, whose length and sum are right, and
    each address is where the record before ends; the last one ends within what addresses of that
    width can say.
    """
    rows = len(text) // pitch
    size, odd = divmod(pitch - 1 - len(form.mark), 2)
    held = size - form.head - 1  # bytes of data in each
    if odd or held <= 0 or size > _MOST_BYTES:
        return None
    digits = bytearray(text)
    del digits[pitch - 1 :: pitch]
    width = pitch - 1
    for char in form.mark:
        if digits[::width] != bytes((char,)) * rows:
            return None
        del digits[::width]
        width -= 1
    try:
        raw = unhexlify(digits)
    except ValueError:
        return None
    if raw[::size] != bytes((size - form.uncounted,)) * rows:
        return None
    address = int.from_bytes(raw[1 : 1 + form.width], "big")
    layout = _layout(rows, size, form.head)
    if not _follow(raw, size, address, form, layout, held * rows):
        return None
    # adler32 is the fastest sum of bytes that there is: its low half is 1 + the sum, modulo 65521,
    # and a record's bytes sum up to less
    sums = layout.sums.pack(*map(adler32, layout.records.unpack(raw)))
    if sums[::4] != bytes((form.good_sum + 1 & 0xFF,)) * rows:
        return None
    return Run(address, b"".join(layout.data.unpack(raw)))


def _follow(raw: bytes, size: int, address: int, form: Form, layout: _Layout, total: int) -> bool:
    """Whether records of *size* bytes give *total* bytes from *address* on, each where the one
    before ends, and nothing but zeros between address and data."""
    rows = len(raw) // size
    end = address + total
    if end > 1 << 8 * form.width:
        return False
    addresses = layout.addresses.pack(*range(address, end, total // rows))
    for index in range(form.width):
        if raw[1 + index :: size] != addresses[_WORD - form.width + index :: _WORD]:
            return False
    return all(raw[index::size] == bytes(rows) for index in range(1 + form.width, form.head))

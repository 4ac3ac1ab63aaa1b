"""Many records at once: the short way for neighbouring lines that are built alike.

A compiler's output is thousands of data records of one length. What a decoder does for each of
them, ``unhexlify``, ``sum`` and ``struct`` can do for all of them in a few calls.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterable
from functools import partial
from itertools import count
from struct import iter_unpack
from typing import Final

from mcu_updater.core.image.extent import Extent

_MOST_LANES: Final = 256  # bytes whose sum 16 bits can hold, and the length field can count
_new_extent = partial(tuple.__new__, Extent)


def joined_run(lines: list[bytes], mark: bytes, uncounted: int, good_sum: int) -> bytes | None:
    """The bytes of records on *lines*, all of one length; None when any of them is not right.

    Every line must begin with *mark*, be hex digits else, and have a right length and sum. Where
    there are many, the sums of all records are taken at once: byte i of each record becomes a lane
    of 16 bits in one large number, and the numbers are added.
    """
    records, text = len(lines), bytearray().join(lines)
    width = len(lines[0])
    for char in mark:
        if text[::width] != bytes((char,)) * records:
            return None
        del text[::width]
        width -= 1
    size, odd = divmod(width, 2)
    if odd or not uncounted < size <= _MOST_LANES:
        return None
    try:
        raw = unhexlify(text)
    except ValueError:
        return None
    if raw[::size] != bytes((size - uncounted,)) * records:
        return None
    if records < size:  # lanes so short do not pay
        sums = bytes(sum(record) & 0xFF for (record,) in iter_unpack(f"{size}s", raw))
    else:
        total, lanes = 0, bytearray(2 * records)
        for index in range(size):
            lanes[::2] = raw[index::size]
            total += int.from_bytes(lanes, "little")
        sums = total.to_bytes(2 * records, "little")[::2]
    return raw if sums == bytes((good_sum,)) * records else None


def extents_of(addresses: Iterable[int], data: Iterable[bytes], number: int) -> list[Extent]:
    """Extents on consecutive lines from *number* on, made without a Python call for each."""
    return list(map(_new_extent, zip(addresses, data, count(number), strict=False)))

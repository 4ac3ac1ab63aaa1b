"""What moved, and how far: foretells the calls and pointers of the new image from those of the old.

When code moves, calls and pointers to it change, all over the image and all by the same amount. A
table remembers by how far things of each place of the old image moved, the last time that one was
called or pointed to. So only the first call pays, and all others differ by nothing. The table
learns from what comes out, on both sides alike; it takes 1 KiB, however large the image.

    BL, halfwords 1111 0 hhhhhhhhhhh, 1111 1 lllllllllll     offset h:l from here, in halfwords
    word, aligned, 0x08...... or 0x20......                  an address in flash or RAM

Only the old bytes say what is one of these; then the new ones may be anything: kind and offset of
a call, or the word, differ by a number that is added, and that is 0 when it was foretold.

Source of the call's encoding: Armv7-M Architecture Reference Manual, DDI 0403, A7.7.18, T1 with
J1 = J2 = 1, which is what reaches 4 MiB.
"""

from __future__ import annotations

import struct
from array import array
from typing import Final

_PLACES: Final = 256
_PLACE_BITS: Final = 10  # bytes of the image that share a place: 2 to the power of this
_FURTHEST: Final = 1 << 20  # a pointer that moved further points to something else
_MEMORIES: Final = (0x08, 0x20)  # high bytes of addresses
_CALL: Final = 0x1E << 5 | 0x1F  # upper five bits of both halfwords
_KINDS: Final = 1 << 10
_OFFSETS: Final = 1 << 22
_HALVES: Final = struct.Struct("<HH")
_WORD: Final = struct.Struct("<I")


class Shifts:
    """Adds differences to old bytes, or takes old bytes from new ones, and learns from both."""

    STATE_SIZE: Final = 4 * _PLACES

    def __init__(self) -> None:
        self._moved = array("i", bytes(4 * _PLACES))

    def add(self, data: bytes, old: bytes, places: tuple[int, int], last: bool) -> bytes:
        """The new bytes for the differences *data*; up to 3 fewer unless they are the *last*.

        *places*: where *old* stands in the old image, and the result in the new one.
        """
        return self._through(data, old, places, last, 1)

    def subtract(self, new: bytes, old: bytes, places: tuple[int, int]) -> bytes:
        """The differences that ``add`` makes *new* of."""
        return self._through(new, old, places, True, -1)

    def _through(
        self, data: bytes, old: bytes, places: tuple[int, int], last: bool, sign: int
    ) -> bytes:
        base, target = places
        result = bytearray()
        size = len(data)
        at = 0
        while at < size:
            step = 1 if (base + at) & 1 else 2
            if step == 2 and size - at < 4:
                if not last:
                    break
                step = size - at
            elif step == 2:
                if old[at + 3] & 0xF8 == 0xF8 and old[at + 1] & 0xF8 == 0xF0:
                    result += self._call(data, old, at, (base, target), sign)
                    at += 4
                    continue
                if old[at + 3] in _MEMORIES and not (base + at) & 3:
                    result += self._pointer(data, old, at, sign)
                    at += 4
                    continue
            for i in range(at, at + step):
                result.append(data[i] + sign * old[i] & 0xFF)
            at += step
        return bytes(result)

    def _call(self, data: bytes, old: bytes, at: int, places: tuple[int, int], sign: int) -> bytes:
        base, target = places
        old_kind, old_offset = _parted(old, at)
        offset = old_offset - _OFFSETS if old_offset >= _OFFSETS >> 1 else old_offset
        place = (base + at + 2 * offset >> _PLACE_BITS) % _PLACES
        moved = target - base
        told = old_offset + (self._moved[place] - moved >> 1)
        kind, rest = _parted(data, at)
        made_kind = (kind + sign * old_kind) % _KINDS
        made = (rest + sign * told) % _OFFSETS
        new_kind, new_offset = (made_kind, made) if sign > 0 else (kind, rest)
        if new_kind == _CALL:
            step = (new_offset - old_offset + (_OFFSETS >> 1)) % _OFFSETS - (_OFFSETS >> 1)
            self._moved[place] = 2 * step + moved
        return _HALVES.pack(
            (made_kind >> 5) << 11 | made >> 11, (made_kind & 31) << 11 | made & 0x7FF
        )

    def _pointer(self, data: bytes, old: bytes, at: int, sign: int) -> bytes:
        (word,) = _WORD.unpack_from(old, at)
        (other,) = _WORD.unpack_from(data, at)
        place = (word >> _PLACE_BITS) % _PLACES
        made = (other + sign * (word + self._moved[place])) % (1 << 32)
        step = (made if sign > 0 else other) - word
        if abs(step) < _FURTHEST:
            self._moved[place] = step
        return _WORD.pack(made)

    def state(self) -> bytes:
        return struct.pack(f"<{_PLACES}i", *self._moved)

    def load(self, state: bytes) -> None:
        self._moved = array("i", struct.unpack(f"<{_PLACES}i", state))


def _parted(data: bytes, at: int) -> tuple[int, int]:
    """What two halfwords are, and the offset that they hold when they are a call."""
    upper, lower = _HALVES.unpack_from(data, at)
    return upper >> 11 << 5 | lower >> 11, (upper & 0x7FF) << 11 | lower & 0x7FF

"""detools' sequential patch, decompressed: how the new image is made of the old one.

    0                                      no data format, see below
    diff size | diff bytes                 old bytes, from where the last ended, plus these, mod 256
    extra size | extra bytes               taken as they are        ... the three repeat until the
    adjustment                             added to the old offset      new image is complete

A number: 7 bits a byte, the lowest first, bit 7 set when more follow; in the first byte bit 6 is
the sign, and only 6 bits are left.

detools's data formats are not taken: to apply one, the whole old image is taken apart in memory.
docs/delta.md says what they would save.

Source: eerimoq/detools 0.53.0, README, "Algorithms" and "Patch layout".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Final, Self

from mcu_updater.delta.errors import DeltaRejected

Read = Callable[[int, int], bytes]
"""Bytes of the base image, by offset and size."""

_MAX_SHIFT: Final = 6 + 7 * 4  # numbers of up to 5 bytes: 34 bits

_STATE: Final = struct.Struct("<BQBBIqIB")


class Phase(IntEnum):
    """What the next byte belongs to."""

    DATA_FORMAT = 0
    DIFF_SIZE = 1
    DIFF = 2
    EXTRA_SIZE = 3
    EXTRA = 4
    ADJUSTMENT = 5
    DONE = 6


def pack_number(value: int) -> bytes:
    """*value* as the format writes it."""
    rest = abs(value)
    first = rest & 0x3F | (0x40 if value < 0 else 0)
    rest >>= 6
    packed = bytearray([first])
    while rest:
        packed[-1] |= 0x80
        packed.append(rest & 0x7F)
        rest >>= 7
    return bytes(packed)


def add_bytes(left: bytes, right: bytes) -> bytes:
    """The sums of the bytes, each modulo 256: all at once, as two long numbers."""
    size = len(left)
    if left.count(0) == size:
        return right
    low = int.from_bytes(b"\x7f" * size)
    a, b = int.from_bytes(left), int.from_bytes(right)
    return (((a & low) + (b & low)) ^ ((a ^ b) & ~low)).to_bytes(size)


class SequentialDecoder:
    """Decompressed patch in, new image out. Holds no data at all.

    Two rounds in a row that make nothing are refused, so the length of a patch, and the time that
    it takes, are bounded by the size of the image.
    """

    def __init__(self, base_size: int, target_size: int, read: Read) -> None:
        self._base_size = base_size
        self._target_size = target_size
        self._read = read
        self._phase = Phase.DATA_FORMAT
        self._number = 0
        self._shift = 0
        self._negative = False
        self._left = 0  # bytes of the current diff or extra data
        self._base_at = 0
        self._made = 0
        self._empty_rounds = 0

    @property
    def done(self) -> bool:
        return self._phase is Phase.DONE

    @property
    def made(self) -> int:
        """Bytes of the new image so far."""
        return self._made

    def feed(self, data: bytes) -> bytes:
        """Take decompressed bytes; return what they make, at most as many."""
        made = bytearray()
        at = 0
        while at < len(data):
            if self._phase is Phase.DONE:
                raise self._rejected("patch goes on behind the image", "its end", "more")
            if self._phase in (Phase.DIFF, Phase.EXTRA):
                piece = data[at : at + self._left]
                made += self._take(piece)
                at += len(piece)
            else:
                self._digit(data[at])
                at += 1
        return bytes(made)

    def _take(self, piece: bytes) -> bytes:
        if self._phase is Phase.DIFF:
            base = self._read(self._base_at, len(piece))
            if len(base) != len(piece):
                raise self._rejected("base image is too short", str(len(piece)), str(len(base)))
            self._base_at += len(piece)
            piece = add_bytes(piece, base)
        self._made += len(piece)
        self._left -= len(piece)
        if not self._left:
            self._phase = Phase(self._phase + 1)
        return piece

    def _digit(self, byte: int) -> None:
        if self._shift == 0:
            self._negative = bool(byte & 0x40)
            self._number, self._shift = byte & 0x3F, 6
        else:
            self._number |= (byte & 0x7F) << self._shift
            self._shift += 7
        if byte & 0x80:
            if self._shift >= _MAX_SHIFT:
                raise self._rejected("number is too long", "at most 5 bytes", "more")
            return
        value = -self._number if self._negative else self._number
        self._number = self._shift = 0
        self._negative = False
        self._take_number(value)

    def _take_number(self, value: int) -> None:
        match self._phase:
            case Phase.DATA_FORMAT:
                if value:
                    raise self._rejected("patch has a data format", "none", f"{value} bytes of it")
                self._phase = Phase.DIFF_SIZE
            case Phase.DIFF_SIZE:
                self._check_size(value)
                if value and not 0 <= self._base_at <= self._base_size - value:
                    raise self._rejected(
                        "patch reads outside the base image",
                        f"bytes 0 to {self._base_size - 1}",
                        f"{value} bytes at {self._base_at}",
                    )
                self._empty_rounds = 0 if value else self._empty_rounds + 1
                self._left = value
                self._phase = Phase.DIFF if value else Phase.EXTRA_SIZE
            case Phase.EXTRA_SIZE:
                self._check_size(value)
                if value:
                    self._empty_rounds = 0
                elif self._empty_rounds > 1:
                    raise self._rejected("patch makes nothing", "data in one round of two", "none")
                self._left = value
                self._phase = Phase.EXTRA if value else Phase.ADJUSTMENT
            case _:
                self._base_at += value
                finished = self._made == self._target_size
                self._phase = Phase.DONE if finished else Phase.DIFF_SIZE

    def _check_size(self, value: int) -> None:
        room = self._target_size - self._made
        if not 0 <= value <= room:
            raise self._rejected("patch makes too much", f"0 to {room} bytes", str(value))

    def _rejected(self, what: str, expected: str, found: str) -> DeltaRejected:
        return DeltaRejected(
            what, where=f"byte {self._made} of the new image", expected=expected, found=found
        )

    STATE_SIZE: Final = _STATE.size

    def state(self) -> bytes:
        return _STATE.pack(
            self._phase,
            self._number,
            self._shift,
            self._negative,
            self._left,
            self._base_at,
            self._made,
            self._empty_rounds,
        )

    @classmethod
    def restore(cls, state: bytes, base_size: int, target_size: int, read: Read) -> Self:
        decoder = cls(base_size, target_size, read)
        phase, decoder._number, decoder._shift, negative, *rest = _STATE.unpack(state)
        decoder._phase, decoder._negative = Phase(phase), bool(negative)
        decoder._left, decoder._base_at, decoder._made, decoder._empty_rounds = rest
        return decoder

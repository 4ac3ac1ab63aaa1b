"""detools' sequential patch, decompressed: how the new image is made of the old one.

    0                                      no data format, see below
    diff size | diff bytes                 old bytes, from where the last ended, plus these, mod 256
    extra size | extra bytes               taken as they are        ... the three repeat until the
    adjustment                             added to the old offset      new image is complete

A number: 7 bits a byte, the lowest first, bit 7 set when more follow; in the first byte bit 6 is
the sign, and only 6 bits are left.

detools's data formats are not taken: to apply one, the whole old image is taken apart in memory.
docs/how-to/delta.md says what they would save.

Source: eerimoq/detools 0.53.0, README, "Algorithms" and "Patch layout".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from mcu_updater.core.delta.errors import DeltaRejected
from mcu_updater.core.delta.shifts import Shifts

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

    def __init__(
        self, base_size: int, target_size: int, read: Read, shifts: Shifts | None = None
    ) -> None:
        self._base_size = base_size
        self._target_size = target_size
        self._read = read
        self._shifts = shifts
        self._carry = b""  # differences that wait for the rest of a call or a pointer
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
        self._left -= len(piece)
        if self._phase is Phase.DIFF:
            piece = self._sums(self._carry + piece)
        self._made += len(piece)
        if not self._left:
            self._phase = Phase(self._phase + 1)
        return piece

    def _sums(self, diff: bytes) -> bytes:
        base = self._read(self._base_at, len(diff))
        if len(base) != len(diff):
            raise self._rejected("base image is too short", str(len(diff)), str(len(base)))
        if self._shifts is None:
            made = add_bytes(diff, base)
        else:
            places = self._base_at, self._made
            made = self._shifts.add(diff, base, places, last=not self._left)
        self._carry = diff[len(made) :]
        self._base_at += len(made)
        return made

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

    def state(self) -> bytes:
        fixed = _STATE.pack(
            self._phase,
            self._number,
            self._shift,
            self._negative,
            self._left,
            self._base_at,
            self._made,
            self._empty_rounds,
        )
        if self._shifts is None:
            return fixed
        return (
            fixed + bytes([len(self._carry)]) + self._carry.ljust(3, b"\0") + self._shifts.state()
        )

    @property
    def state_size(self) -> int:
        return _STATE.size + (4 + Shifts.STATE_SIZE if self._shifts else 0)

    def load(self, state: bytes) -> None:
        """Go on where the decoder that gave *state* was. Raises ValueError when none did."""
        if len(state) != self.state_size:
            raise ValueError("not the state of a sequential decoder")
        phase, self._number, self._shift, negative, *rest = _STATE.unpack_from(state)
        self._phase, self._negative = Phase(phase), bool(negative)
        self._left, self._base_at, self._made, self._empty_rounds = rest
        if self._shifts is not None:
            shifts = state[_STATE.size :]
            self._carry = shifts[1 : 1 + shifts[0]]
            self._shifts.load(shifts[4:])

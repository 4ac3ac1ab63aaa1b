"""The array: what every unit holds, and what it has been through.

Data says what a reader sees; the mark says what the silicon knows. The two differ on purpose: a
unit that reads 0xFF need not be virgin, and one that reads right need not stay so.
"""

from __future__ import annotations

import random
from enum import IntEnum

ERASED = 0xFF


class Mark(IntEnum):
    """One per program unit."""

    VIRGIN = 0  # a completed erase, nothing since
    WRITTEN = 1  # programmed, or reading 0xFF after something that did not complete
    UNREADABLE = 2  # fails ECC: no data can be had
    FRESH_WEAK = 3  # reads right until the power-on after the next
    WEAK = 4  # reads right until the next power-on


_DECAY = bytes.maketrans(bytes([Mark.WEAK, Mark.FRESH_WEAK]), bytes([Mark.UNREADABLE, Mark.WEAK]))


class Cells:
    """Data and marks of a whole array of *size* bytes, in units of *unit* bytes."""

    __slots__ = ("_doubtful", "data", "marks", "unit")

    def __init__(self, size: int, unit: int) -> None:
        self.unit = unit
        self.data = bytearray([ERASED]) * size
        self.marks = bytearray(size // unit)
        self._doubtful = False  # whether any unit may be unreadable or weak

    def virgin_run(self, first: int, count: int) -> int:
        """How many units from *first* on, *count* at most, are virgin."""
        if self.marks.count(Mark.VIRGIN, first, first + count) == count:
            return count
        return next(i for i in range(count) if self.marks[first + i] != Mark.VIRGIN)

    def unreadable(self, offset: int, size: int) -> int | None:
        """Offset of the first unit within the range that cannot be read."""
        if not self._doubtful or not size:
            return None
        first, last = offset // self.unit, (offset + size - 1) // self.unit
        unit = self.marks.find(Mark.UNREADABLE, first, last + 1)
        return None if unit < 0 else unit * self.unit

    def program(self, first: int, data: bytes) -> None:
        """Whole units from *first* on, power on from begin to end."""
        offset = first * self.unit
        self.data[offset : offset + len(data)] = data
        count = len(data) // self.unit
        self.marks[first : first + count] = bytes([Mark.WRITTEN]) * count

    def erase(self, offset: int, size: int) -> None:
        self.data[offset : offset + size] = bytes([ERASED]) * size
        first, count = offset // self.unit, size // self.unit
        self.marks[first : first + count] = bytes(count)

    def set_mark(self, unit: int, mark: Mark) -> None:
        self.marks[unit] = mark
        self._doubtful |= mark >= Mark.UNREADABLE

    def tear_program(self, unit: int, target: bytes, *, ecc: bool, dice: random.Random) -> None:
        """A random part of the bits that had to become 0 is 0."""
        offset = unit * self.unit
        held = bytes(
            now & (want | dice.getrandbits(8))
            for now, want in zip(self.data[offset : offset + self.unit], target, strict=True)
        )
        self.data[offset : offset + self.unit] = held
        self.set_mark(unit, Mark.UNREADABLE if ecc else Mark.WRITTEN)

    def tear_erase(self, offset: int, size: int, *, ecc: bool, dice: random.Random) -> None:
        """A random part of the bits that were 0 is 1, over the whole sector."""
        for unit in range(offset // self.unit, (offset + size) // self.unit):
            start = unit * self.unit
            old = self.data[start : start + self.unit]
            new = bytes(byte | dice.getrandbits(8) for byte in old)
            self.data[start : start + self.unit] = new
            spoilt = ecc and new != old and dice.random() < 0.75  # the rest: miscorrected, or blank
            self.set_mark(unit, Mark.UNREADABLE if spoilt else Mark.WRITTEN)

    def power_on(self) -> None:
        """Weak units have had their time."""
        if self._doubtful:
            self.marks = bytearray(self.marks.translate(_DECAY))

    def restore(self, data: bytes | bytearray, marks: bytes | bytearray) -> None:
        """Take over an array that was saved."""
        if len(data) != len(self.data) or len(marks) != len(self.marks):
            raise ValueError(
                f"array of {len(data)} bytes and {len(marks)} marks; "
                f"expected {len(self.data)} and {len(self.marks)}"
            )
        self.data[:] = data
        self.marks[:] = marks
        self._doubtful = any(self.marks.count(mark) for mark in Mark if mark >= Mark.UNREADABLE)

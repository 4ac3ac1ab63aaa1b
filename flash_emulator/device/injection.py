"""The array as nobody programmed it: filled, forgotten, with cells that flip or stick."""

from __future__ import annotations

from dataclasses import replace

from flash_emulator.array.pages import RawUnit
from flash_emulator.device.matching import Matching
from flash_emulator.errors import AlignmentError


class Injection(Matching):
    """The part of the device that a test reaches into: no operation, no time, no trace."""

    def preload(self, address: int, data: bytes) -> None:
        """Put *data* into the array as if it had always been there: no rule, no time, no trace.

        Any alignment. The units concerned are programmed, whatever they were.
        """
        begin = self._offset(address, len(data))
        first, last = begin // self._unit, -(-(begin + len(data)) // self._unit)
        for unit in {first, last - 1} if data else ():  # what stays of a unit is content
            if begin > unit * self._unit or begin + len(data) < (unit + 1) * self._unit:
                self._look_at(unit * self._unit, self._unit)
        units = bytearray(self.cells.peek(first * self._unit, (last - first) * self._unit))
        within = begin - first * self._unit
        units[within : within + len(data)] = data
        self.cells.erase(first * self._unit, len(units))
        self.cells.program(first, bytes(units))

    def forget(self, address: int, size: int) -> None:
        """Assume nothing any more of the whole units of a physical range, until they are erased.

        Whoever reads or programs one of them meets UnknownContent, and so does whoever asks by
        ``match`` for what it is not known not to hold. A completed erase makes them virgin. A
        search through states uses this for what a cut left where nobody looks.
        """
        self.cells.forget(self.array_offset(address), size)

    def flip(self, address: int, bit: int) -> None:
        """Flip one cell (retention, disturb). *bit* counts from the unit's first data bit; those
        behind the data are check bits. The unit must be whole: *address* is its first byte."""
        unit = self._offset(address, self._unit) // self._unit
        if not 0 <= bit < self.cells.word_bits:
            raise AlignmentError(f"bit {bit}: a unit has {self.cells.word_bits} cells")
        self._look_at(unit * self._unit, self._unit)
        consumed = not self.cells.is_virgin(unit)
        raw = self.cells.raw(unit) or RawUnit(self.cells.word(unit), consumed=consumed)
        word = raw.word ^ 1 << bit
        ones = (1 << self.cells.word_bits) - 1
        self.cells.set_word(unit, replace(raw, word=word, consumed=raw.consumed or word != ones))

    def stick(self, address: int, cells: int) -> None:
        """These cells of the unit at *address* (a mask of its bits) stay 1, whatever is programmed.

        On parts with ECC a single one is corrected, and nobody notices but the counter.
        """
        unit = self._offset(address, self._unit) // self._unit
        self.stuck = {**self.stuck, unit: cells}

    def spoil(self, address: int) -> None:
        """Make the unit at *address* unreadable on parts with ECC: two cells of it are wrong."""
        unit = self._offset(address, self._unit) // self._unit
        code = self.cells.code
        if code is None:
            raise AlignmentError(f"{self.part.name} has no ECC")
        word = code.encode(0x1234) ^ 0b11
        self.cells.set_word(unit, RawUnit(word))

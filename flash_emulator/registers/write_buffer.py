"""The write buffer of one H7 bank: a flash word takes shape in it, byte by byte."""

from __future__ import annotations

from enum import Enum, auto


class Verdict(Enum):
    """What became of a write to the buffer. TWICE and ELSEWHERE flush it."""

    WAITS = auto()  # for the rest of the flash word
    FULL = auto()
    TWICE = auto()  # a byte that is there already: STRBERR
    ELSEWHERE = auto()  # another flash word before this one is full: INCERR


WAITS, FULL, TWICE, ELSEWHERE = Verdict  # a look at each word counts


class WriteBuffer:
    """*size* bytes of one flash word."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._whole = (1 << size) - 1
        self._lanes = {width: (1 << width) - 1 for width in (1, 2, 4, 8)}
        self.drop()

    def drop(self) -> None:
        self._address: int | None = None
        self._data = bytearray(b"\xff") * self._size
        self._there = 0  # a bit for each byte

    @property
    def begun(self) -> bool:
        return self._address is not None

    @property
    def clears_a_bit(self) -> bool:
        return any(byte != 0xFF for byte in self._data)

    def state(self) -> tuple[int | None, bytes, int]:
        return self._address, bytes(self._data), self._there

    def restore(self, state: tuple[int | None, bytes, int]) -> None:
        self._address, data, self._there = state
        self._data = bytearray(data)

    def take(self, address: int, data: bytes) -> Verdict:
        """*data* of one bus access at *address*."""
        size, width = self._size, len(data)
        within = address % size
        lanes, start = self._lanes[width] << within, address - within
        if (self._address != start and self._address is not None) or lanes > self._whole:
            self.drop()
            return ELSEWHERE
        if self._there & lanes:
            self.drop()
            return TWICE
        self._address = start
        self._data[within : within + width] = data
        self._there |= lanes
        return FULL if self._there == self._whole else WAITS

    def empty(self) -> tuple[int, bytes]:
        """Address and flash word; the buffer is empty then."""
        assert self._address is not None
        word = self._address, bytes(self._data)
        self.drop()
        return word

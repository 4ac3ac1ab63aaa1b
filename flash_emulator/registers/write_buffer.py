"""The write buffer of one H7 bank: a flash word takes shape in it, byte by byte."""

from __future__ import annotations

from enum import Enum, auto


class Verdict(Enum):
    """What became of a write to the buffer. TWICE and ELSEWHERE flush it."""

    WAITS = auto()  # for the rest of the flash word
    FULL = auto()
    TWICE = auto()  # a byte that is there already: STRBERR
    ELSEWHERE = auto()  # another flash word before this one is full: INCERR


class WriteBuffer:
    """*size* bytes of one flash word."""

    def __init__(self, size: int) -> None:
        self._size = size
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

    def take(self, address: int, data: bytes) -> Verdict:
        """*data* of one bus access at *address*."""
        within = address % self._size
        lanes = (1 << len(data)) - 1 << within
        if self._address not in (None, address - within) or lanes >> self._size:
            self.drop()
            return Verdict.ELSEWHERE
        if self._there & lanes:
            self.drop()
            return Verdict.TWICE
        self._address = address - within
        self._data[within : within + len(data)] = data
        self._there |= lanes
        return Verdict.FULL if self._there == (1 << self._size) - 1 else Verdict.WAITS

    def empty(self) -> tuple[int, bytes]:
        """Address and flash word; the buffer is empty then."""
        assert self._address is not None
        word = self._address, bytes(self._data)
        self.drop()
        return word

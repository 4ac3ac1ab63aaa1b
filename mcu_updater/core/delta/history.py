"""What both decompressors look back at: the last bytes that they gave out."""

from __future__ import annotations


class History:
    """The last *size* bytes of a stream, and those that were not taken yet."""

    __slots__ = ("_data", "_size", "_taken")

    def __init__(self, size: int, past: bytes = b"") -> None:
        self._size = size
        self._data = bytearray(past)
        self._taken = len(past)

    @property
    def fresh(self) -> int:
        """Bytes that ``take`` would give."""
        return len(self._data) - self._taken

    @property
    def depth(self) -> int:
        """The greatest distance that can be looked back."""
        return min(len(self._data), self._size)

    def byte(self, distance: int) -> int:
        return self._data[-distance]

    def put(self, byte: int) -> None:
        self._data.append(byte)

    def repeat(self, distance: int, length: int) -> None:
        """Append *length* bytes that repeat what stands *distance* back, which is at most
        ``depth``; what is appended may be repeated itself."""
        data = self._data
        start = len(data) - distance
        if distance >= length:
            data += data[start : start + length]
        else:
            data += (data[start:] * (length // distance + 1))[:length]

    def take(self) -> bytes:
        """All that was appended since the last time."""
        fresh = bytes(self._data[self._taken :])
        del self._data[: -self._size]
        self._taken = len(self._data)
        return fresh

    def past(self) -> bytes:
        """What must be kept to go on, after ``take``."""
        return bytes(self._data)

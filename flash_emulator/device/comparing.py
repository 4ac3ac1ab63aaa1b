"""What a boot of a search has read: bytes that tell what they are compared with.

A torn unit may hold one of many words. Which of them matter is known by whoever asks: so what a
boot gets from ``read`` is a ``bytes`` that notes every ``==``, ``!=``, ``in``, ``startswith`` and
``endswith``, also of its slices and single bytes. Whatever else is done with it (``<``, ``struct``,
``int.from_bytes``, a table looked up by it) is not noted: there the draws decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self
from weakref import WeakMethod

Told = Callable[[int, bytes, bytes], object]
Tell = Callable[[], Told | None]
"""Whom to tell where in the array bytes stand, what they were read as, and what they are compared
with. A weak reference: a table of the subject's may keep what was read longer than the device."""


class Listener(WeakMethod[Told]):
    """A Tell that the device keeps beside what is packed of it: an unpacked one has none."""

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()


def _told(tell: Tell, offset: int, data: bytes, expected: bytes) -> None:
    if (note := tell()) is not None:
        note(offset, data, expected)


class _Noting:
    """Notes what it is compared with. Before ``bytes`` or ``int`` in the list of bases."""

    _offset: int
    _tell: Tell

    @classmethod
    def of(cls, value: Any, offset: int, tell: Tell) -> Self:
        found = cls(value)  # type: ignore[call-arg]  # of bytes and int
        found._offset, found._tell = offset, tell
        return found

    def __eq__(self, other: object) -> bool:
        is_same = super().__eq__(other)
        if is_same is not True:  # what is the same, nobody has to be told
            self._compared(other)
        return is_same

    def __ne__(self, other: object) -> bool:
        is_other = super().__ne__(other)
        if is_other is not False:
            self._compared(other)
        return is_other

    def _compared(self, other: object) -> None:
        here, there = _as_bytes(self), _as_bytes(other)
        alike = isinstance(self, int) is isinstance(other, int)  # else they are never equal
        if alike and here is not None and there is not None and len(here) == len(there):
            _told(self._tell, self._offset, here, there)


def _as_bytes(value: object) -> bytes | None:
    """Of bytes and of single ones; None where it is neither."""
    if isinstance(value, int):
        return bytes([value]) if 0 <= value <= 0xFF else None
    return bytes(value) if isinstance(value, bytes | bytearray) else None


class ReadBytes(_Noting, bytes):
    """Bytes at *offset* of the array. They are what ``bytes`` are, and pickle as such."""

    __hash__ = bytes.__hash__

    def startswith(self, prefix: Any, *place: Any) -> bool:
        if not place:
            for each in prefix if isinstance(prefix, tuple) else (prefix,):
                if len(each) <= len(self):
                    _told(self._tell, self._offset, bytes(self)[: len(each)], bytes(each))
        return super().startswith(prefix, *place)

    def endswith(self, suffix: Any, *place: Any) -> bool:
        if not place:
            for each in suffix if isinstance(suffix, tuple) else (suffix,):
                if (begin := len(self) - len(each)) >= 0:
                    _told(self._tell, self._offset + begin, bytes(self)[begin:], bytes(each))
        return super().endswith(suffix, *place)

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        if isinstance(index, slice):
            begin, _, step = index.indices(len(self))
            place = self._offset + begin
            return ReadBytes.of(found, place, self._tell) if step == 1 else found
        return ReadByte.of(found, self._offset + range(len(self))[index], self._tell)

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)


class ReadByte(_Noting, int):
    """One of them."""

    __hash__ = int.__hash__

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)

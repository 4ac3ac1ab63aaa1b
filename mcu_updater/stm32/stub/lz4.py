"""Blocks of LZ4 out of one image, in the order of their addresses: greedy, no search for the best.

The format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md. What lies before a block is
its dictionary. All of a serial line's time is left for this, so no library is needed for it.
"""

from __future__ import annotations

from typing import Final

_SHORTEST: Final = 4  # bytes of a match
_FARTHEST: Final = 0xFFFF
_LONG: Final = 15  # of a nibble in a token: more of the length follows
_LAST_LITERALS: Final = 5  # "The last 5 bytes of input are always literals"
_LAST_MATCH: Final = 12  # "must start at least 12 bytes before the end of block"
_STRIDE: Final = 32


class Lz4Encoder:
    """Of *data*. Blocks have to be asked for from the first to the last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._places: dict[bytes, int] = {}  # by four bytes, the last place where they begin
        self._known = 0  # places before are in _places

    def block(self, start: int, stop: int, floor: int) -> bytes:
        """data[*start*:*stop*], with data[*floor*:*start*] as dictionary."""
        out = bytearray()
        self._learn(start)
        at = anchor = start
        while at < stop - _LAST_MATCH:
            found = self._learn_one(at)
            if found < max(floor, at - _FARTHEST):
                at += 1
                continue
            size = self._match_size(found, at, stop - _LAST_LITERALS)
            _put(out, self._data[anchor:at], at - found, size)
            at = anchor = at + size
            self._learn(at)
        _put(out, self._data[anchor:stop])
        return bytes(out)

    def _learn(self, stop: int) -> None:
        for at in range(self._known, stop):
            self._places[self._data[at : at + _SHORTEST]] = at
        self._known = max(self._known, stop)

    def _learn_one(self, at: int) -> int:
        """Where the four bytes were last; -1: nowhere."""
        key = self._data[at : at + _SHORTEST]
        found = self._places.get(key, -1)
        self._places[key] = at
        self._known = max(self._known, at + 1)
        return found if found < at else -1

    def _match_size(self, found: int, at: int, stop: int) -> int:
        data, size = self._data, _SHORTEST
        while at + size + _STRIDE <= stop and (
            data[found + size : found + size + _STRIDE] == data[at + size : at + size + _STRIDE]
        ):
            size += _STRIDE
        while at + size < stop and data[found + size] == data[at + size]:
            size += 1
        return size


def _put(out: bytearray, literals: bytes, back: int = 0, size: int = 0) -> None:
    """One sequence; the last of a block has no match."""
    more = size - _SHORTEST
    out.append(min(len(literals), _LONG) << 4 | (min(more, _LONG) if size else 0))
    _put_rest(out, len(literals))
    out += literals
    if size:
        out += back.to_bytes(2, "little")
        _put_rest(out, more)


def _put_rest(out: bytearray, length: int) -> None:
    """What of *length* did not fit into its nibble."""
    left = length - _LONG
    if left >= 0:
        out += b"\xff" * (left // 255)
        out.append(left % 255)

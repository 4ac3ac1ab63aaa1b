"""Heatshrink, the device profile: LZSS by bits, made for small memories.

    1 | byte, 8 bits                            a literal
    0 | distance - 1, W bits | length - 1, L bits    repeat

most significant bit first, padded with 0 to a whole byte. detools puts one byte before it: W - 4 in
the high four bits, L - 3 in the low ones. The window is full of zeros at first, and may be referred
to before anything was written.

Source: atomicobject/heatshrink, README and heatshrink_decoder.h; detools, compression/heatshrink.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, Self

from mcu_updater.core.delta.errors import DeltaRejected
from mcu_updater.core.delta.history import History

HEAD_SIZE: Final = 1
PIECE: Final = 4096
"""Output that is gathered before it is handed on, in bytes; one repeat may exceed it."""

WINDOW_BITS: Final = range(4, 16)

_STATE: Final = struct.Struct("<BIB")  # head, bits not used yet, how many


def pack_head(window_bits: int, length_bits: int) -> bytes:
    return bytes([window_bits - 4 << 4 | length_bits - 3])


class HeatshrinkDecoder:
    """Bytes in, bytes out. Memory: the window, 2 to the power of W bytes."""

    HEAD_SIZE: Final = HEAD_SIZE

    def __init__(self, head: bytes) -> None:
        self._head = head[0]
        self._window_bits = (self._head >> 4) + 4
        self._length_bits = (self._head & 15) + 3
        if self._window_bits not in WINDOW_BITS or self._length_bits >= self._window_bits:
            raise DeltaRejected(
                "heatshrink head is impossible",
                expected="a window of 4 to 15 bits, and fewer for a length",
                found=f"{self._window_bits} and {self._length_bits}",
            )
        self._history = History(self.window, bytes(self.window))
        self._bits = 0
        self._count = 0

    @property
    def window(self) -> int:
        return 1 << self._window_bits

    @property
    def largest_state(self) -> int:
        return _STATE.size + self.window

    def feed(self, data: bytes, last: bool) -> Iterator[bytes]:
        """Decompress *data*; *last* says that nothing follows it. Gives out pieces."""
        history, length_bits = self._history, self._length_bits
        repeat_bits = self._window_bits + length_bits
        length_mask = (1 << length_bits) - 1
        bits, count = self._bits, self._count
        for byte in data:
            bits = bits << 8 | byte
            count += 8
            while count:
                is_literal = bits >> count - 1
                size = 9 if is_literal else repeat_bits + 1
                if count < size:
                    break
                count -= size
                field = bits >> count
                bits &= (1 << count) - 1
                if is_literal:
                    history.put(field & 0xFF)
                else:
                    history.repeat((field >> length_bits) + 1, (field & length_mask) + 1)
            if history.fresh >= PIECE:
                yield history.take()
        self._bits, self._count = bits, count
        yield history.take()
        if last and (bits or count > 7):
            raise DeltaRejected(
                "patch ends within a symbol", expected="zeros up to a whole byte", found=f"{bits:b}"
            )

    def state(self) -> bytes:
        """Valid between two feeds: 6 bytes and the window."""
        return _STATE.pack(self._head, self._bits, self._count) + self._history.past()

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """Raises ValueError when it was no state of this decoder."""
        if len(state) < _STATE.size:
            raise ValueError("not the state of a heatshrink decoder")
        head, bits, count = _STATE.unpack_from(state)
        decoder = cls(bytes([head]))
        past = state[_STATE.size :]
        if len(past) != decoder.window:
            raise ValueError("not the state of a heatshrink decoder")
        decoder._history = History(decoder.window, past)
        decoder._bits, decoder._count = bits, count
        return decoder

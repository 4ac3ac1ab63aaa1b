"""Thumb branches with link, turned from *how far* to *where to*, and back.

    upper halfword  1111 0 | offset, bits 21 to 11        BL <label>, the encoding that compilers use
    lower halfword  1111 1 | offset, bits 10 to 0         within 4 MiB; in halfwords from here

When code moves, each call out of it changes its offset, and each call into it, too: differences
all over the image. Where a call leads to changes with the callee only. Both images are compared
after their calls were turned, so those differences are gone; the new image is turned back as it
comes out. No halfword can be both upper and lower, so a pair is found from any place, the old image
can be read at any offset, and nothing has to be kept but a halfword that may be half a pair.

The offset is counted from the image's start and modulo 4 MiB: it need not be a real address, and
data that looks like a call survives.

Source: Armv7-M Architecture Reference Manual, DDI 0403, A7.7.18, encoding T1 with J1 = J2 = 1.
"""

from __future__ import annotations

import struct
from typing import Final

from mcu_updater.delta.sequential import Read

_UPPER: Final = 0xF000
_LOWER: Final = 0xF800
_KIND: Final = 0xF800
_FIELD: Final = 0x7FF
_MASK: Final = (1 << 22) - 1


def _turned(data: bytes, at: int, sign: int) -> bytes:
    """*data* stands at the even offset *at*; a byte that fills no halfword is left as it is."""
    count = len(data) // 2
    halves = list(struct.unpack_from(f"<{count}H", data))
    uppers = [i for i, half in enumerate(halves[:-1]) if half & _KIND == _UPPER]
    for i in uppers:
        lower = halves[i + 1]
        if lower & _KIND == _LOWER:
            offset = (halves[i] & _FIELD) << 11 | lower & _FIELD
            offset = offset + sign * (at // 2 + i) & _MASK
            halves[i] = _UPPER | offset >> 11
            halves[i + 1] = _LOWER | offset & _FIELD
    return struct.pack(f"<{count}H", *halves) + data[2 * count :]


def to_targets(image: bytes) -> bytes:
    """A whole image, its calls turned to where they lead to."""
    return _turned(image, 0, 1)


def turned_read(read: Read, size: int) -> Read:
    """*read*, of an image of *size* bytes, as if that had gone through ``to_targets``."""

    def turned(offset: int, count: int) -> bytes:
        start = max((offset & ~1) - 2, 0)
        end = min((offset + count + 1 & ~1) + 2, size)
        return _turned(read(start, end - start), start, 1)[offset - start : offset - start + count]

    return turned


class BranchRestorer:
    """Turns the calls of a stream back. Keeps at most 3 bytes."""

    def __init__(self, at: int = 0, carry: bytes = b"") -> None:
        self._at = at
        self.carry = carry

    def feed(self, data: bytes) -> bytes:
        data = self.carry + data
        ready = len(data) & ~1
        if ready and data[ready - 1] & 0xF8 == _UPPER >> 8:
            ready -= 2
        self.carry = data[ready:]
        restored = _turned(data[:ready], self._at, -1)
        self._at += ready
        return restored

    def finish(self) -> bytes:
        """What was kept, when nothing follows."""
        carry, self.carry = self.carry, b""
        return carry

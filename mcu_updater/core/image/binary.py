"""A raw binary: no addresses, no checksum, nothing to decode but the offset."""

from __future__ import annotations

import struct
from typing import Final, Self

from mcu_updater.core.errors import ImageRejected, address_text
from mcu_updater.core.image.extent import Extent

ADDRESS_SPACE: Final = 1 << 32

_STATE: Final = struct.Struct("<BIQ")  # format code, base, offset


class BinaryDecoder:
    """Puts byte n of the package at address *base* + n. Extents carry line 0.

    Raises ValueError when *base* is no 32-bit address.
    """

    CODE: Final = 1

    def __init__(self, base: int) -> None:
        if not 0 <= base < ADDRESS_SPACE:
            raise ValueError(f"base must be a 32-bit address, got {base:#x}")
        self._base = base
        self._offset = 0

    def feed(self, data: bytes) -> list[Extent]:
        """Take the next package bytes; return them as one extent, or none when there are none.

        Raises ImageRejected when they would lie past 4 GiB.
        """
        if not data:
            return []
        address = self._base + self._offset
        if address + len(data) > ADDRESS_SPACE:
            raise ImageRejected(
                "image runs past 4 GiB",
                where=f"offset {self._offset}",
                expected=f"at most {ADDRESS_SPACE - self._base} bytes from "
                f"{address_text(self._base)}",
                found=f"{self._offset + len(data)} or more",
            )
        self._offset += len(data)
        return [Extent(address, bytes(data), 0)]

    def finish(self) -> None:
        """State that the package has ended. Raises ImageRejected when it was empty."""
        if self._offset == 0:
            raise ImageRejected(
                "image is empty", where="offset 0", expected="data", found="no bytes"
            )

    def state(self) -> bytes:
        """All that the decoder knows: 13 bytes."""
        return _STATE.pack(self.CODE, self._base, self._offset)

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """The decoder that gave *state*. Raises ValueError when no binary decoder did."""
        if len(state) != _STATE.size or state[0] != cls.CODE:
            raise ValueError(f"not the state of a binary decoder: {state.hex()}")
        _, base, offset = _STATE.unpack(state)
        decoder = cls(base)
        decoder._offset = offset
        return decoder

"""What a decoder yields: bytes and the address that the image gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Extent(NamedTuple):
    """*data* belongs at *address*. *line* is the source line, 0 where the format has none."""

    address: int
    data: bytes
    line: int


class Decoder(Protocol):
    """An incremental decoder: bytes in, extents out, however the bytes were cut.

    ``feed`` and ``finish`` raise ImageRejected, with line and column, at the first rule broken;
    after that the decoder must not be used again. Memory does not grow with the image.
    """

    def feed(self, data: bytes) -> Iterable[Extent]:
        """Take the next package bytes; give the extents that they complete, in file order.

        They count as taken when the extents are used up, which must be before the next call.
        """

    def finish(self) -> None:
        """State that the package has ended. Raises ImageRejected when the format says otherwise."""

    def state(self) -> bytes:
        """All that the decoder knows, to go on after a reset with ``restore``. Under 600 bytes."""

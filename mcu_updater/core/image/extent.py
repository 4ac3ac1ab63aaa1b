"""What a decoder yields: bytes and the address that the image gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol


class Extent(NamedTuple):
    """*data* belongs at *address*. *line* is the source line, 0 where the format has none.

    *lines*: how many lines from that one on gave the data, each as many bytes as the others.
    """

    address: int
    data: bytes
    line: int
    lines: int = 1

    def each_line(self) -> Iterator[Extent]:
        """What each line gave."""
        size = len(self.data) // self.lines
        for index in range(self.lines):
            offset = index * size
            data = self.data[offset : offset + size]
            yield Extent(self.address + offset, data, self.line + index)


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

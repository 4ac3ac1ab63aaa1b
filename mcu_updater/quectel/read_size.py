"""How much one read asks for: less while the line spoils answers, and all again when it does not.

An answer that is spoilt is spoilt as a whole, so on a line that loses one byte in a thousand hardly
one of 1024 bytes gets through, and most of 256 do. Nothing here looks at a clock, and on a line
without errors nothing here changes.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

SMALLEST: Final = 32  # below, the frame around the data is most of what may be spoilt
GROW_AFTER: Final = 16  # answers of the present size in a row that were good; then twice the size


class ReadSize:
    """*most*: what the module takes at once. *now*: what to ask for."""

    def __init__(self, most: int) -> None:
        self.most = self.now = most
        self._good = 0  # in a row; counted while there is something to grow to

    def memory(self) -> Hashable:
        return self.most, self.now, self._good

    def limit(self, most: int) -> None:
        """The module takes no more than *most*."""
        self.most, self.now = most, min(self.now, most)

    def spoilt(self, size: int) -> None:
        """An answer of *size* bytes was lost or spoilt: half of that, unless it is less already."""
        self._good = 0
        self.now = min(self.now, max(size // 2, min(SMALLEST, self.most)))

    def good(self, size: int) -> None:
        """*size* bytes came through. One that is shorter than what is asked for proves little."""
        if self.now == self.most or size < self.now:
            return
        self._good += 1
        if self._good == GROW_AFTER:
            self._good, self.now = 0, min(2 * self.now, self.most)

    @property
    def is_smallest(self) -> bool:
        return self.now <= min(SMALLEST, self.most)

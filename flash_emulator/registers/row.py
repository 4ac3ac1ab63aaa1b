"""The row that fast programming (FSTPG) has begun. RM0440 3.3.7.

"The high voltage is kept on the flash for all the programming": double words of one row, upwards,
each within the time that the one before takes. What was complete before an error stays programmed.
"""

from __future__ import annotations

from collections.abc import Callable

from flash_emulator.registers import l4_layouts as bits


class Row:
    """At most one row. Offsets are from the start of flash; *gap_us* is None where not known."""

    def __init__(self, row_bytes: int | None, unit: int, gap_us: int | None) -> None:
        self._bytes = row_bytes or unit
        self._unit = unit
        self._gap_us = gap_us
        self.drop()

    def drop(self) -> None:
        self.begun = False
        self._number = self._after = self._since_us = 0

    def state(self, now_us: Callable[[], int]) -> tuple[int, int, int] | None:
        """Row, next offset, and how long ago the last double word was; None without a row."""
        if not self.begun:
            return None
        return self._number, self._after, now_us() - self._since_us

    def restore(self, state: tuple[int, int, int] | None, now_us: Callable[[], int]) -> None:
        self.drop()
        if state is not None:
            self.begun = True
            self._number, self._after, ago_us = state
            self._since_us = now_us() - ago_us

    def fault(self, offset: int, now_us: int) -> int:
        """The flag for a word at *offset*; 0 where it may come.

        PGAERR: it "doesn't belong to the same row ..., or the address to program is not greater".
        MISERR: "all the data must be written successively".
        """
        if not self.begun:
            return 0
        if offset // self._bytes != self._number or offset < self._after:
            return bits.PGAERR
        late = self._gap_us is not None and now_us > self._since_us + self._gap_us
        return bits.MISERR if late else 0

    def note(self, offset: int, now_us: int) -> None:
        """A double word at *offset* is programmed. The last one of the row ends it."""
        self._number, self._after = offset // self._bytes, offset + self._unit
        self._since_us = now_us
        self.begun = self._after % self._bytes != 0

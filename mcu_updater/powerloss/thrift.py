"""How often the slot is erased: in a whole upgrade at most once for each sector and each cut.

That cannot be counted over all paths, of which there are endless many. So each boot is held
against what makes it true: it erases no sector of the slot twice, and none that the journal calls
done. Then a sector is erased again only where a cut has hit it before its record was complete, and
a cut hits one sector.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from flash_emulator import EmulatedFlash, Trace
from flash_emulator.explore import Violation
from mcu_updater.bank import NAMES
from mcu_updater.board import Board
from mcu_updater.events import Booted, Event, JournalWritten, Resumed
from mcu_updater.journal import Phase
from mcu_updater.slot import CopyLayout

Slots = Mapping[str, tuple[int, ...]]
"""By the bank's name: where its slot's sectors begin, physically."""


def slots_of(board: Board) -> Slots:
    """Of the banks that are written, whichever is mapped now."""
    part, layout = board.part, board.layout
    if isinstance(layout, CopyLayout):
        regions = [(area.slot, 0) for area in layout.storage]
    else:
        regions = [(layout.slot, 0), (layout.slot, part.bank_size)]
    return {
        name: tuple(
            accumulate(slot.sector_sizes[:-1], initial=part.base + bank_start + slot.offset)
        )
        for name, (slot, bank_start) in zip(NAMES, regions, strict=False)
    }


class Thrift:
    """Watches one boot on *flash*, by its trace and by the events that it is told."""

    def __init__(self, flash: EmulatedFlash, slots: Slots) -> None:
        self._trace = flash.trace = Trace()
        self._slots = slots
        self._slot: tuple[int, ...] = ()
        self._done = 0
        self._erased: set[int] = set()

    def event(self, event: Event) -> None:
        """Raises Violation where a sector was erased that need not have been."""
        self._check()
        match event:
            case Booted():
                (self._slot,) = (at for name, at in self._slots.items() if name != event.bank)
                self._begin(0)
            case Resumed():
                self._begin(event.sectors_done)
            case JournalWritten(_, Phase.PLANNED.name):
                self._begin(0)

    def _begin(self, done: int) -> None:
        self._done, self._erased = done, set()

    def _check(self) -> None:
        for operation in self._trace:
            if operation.kind != "erase" or operation.address not in self._slot:
                continue
            sector = self._slot.index(operation.address)
            if sector < self._done or sector in self._erased:
                why = "is done" if sector < self._done else "was erased in this boot already"
                raise Violation("live", f"sector {sector} of the slot {why}, and is erased again")
            self._erased.add(sector)
        self._trace.operations.clear()

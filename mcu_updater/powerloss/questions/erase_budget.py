"""How often the slot is erased: in a whole upgrade at most once for each sector and each cut.

That cannot be counted over all paths, of which there are endless many. So each boot is held
against what makes it true: it erases no sector of the slot twice, and none that the journal calls
done. Then a sector is erased again only where a cut has hit it before its record was complete, and
a cut hits one sector.

Erased: nothing is programmed that no complete erase has made blank, however blank it reads. The
bootloader's records in a trailer are the exception: it never erases there, it takes the next place
where one does not take its record, and whoever erases next replaces the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate

from flash_emulator import EmulatedFlash, Trace
from flash_emulator.explore import Violation
from mcu_updater.board import Board
from mcu_updater.core.bank import NAMES
from mcu_updater.core.events import Booted, Event, JournalWritten, Progress, Resumed, Work
from mcu_updater.core.journal import Phase
from mcu_updater.core.slot import CopyLayout

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


Span = tuple[int, int]  # physical addresses: first byte, behind the last one


def spans_of(board: Board) -> tuple[Span, ...]:
    """Of every slot, physically: also of the one that is copied to."""
    part, layout = board.part, board.layout
    if isinstance(layout, CopyLayout):
        areas = [(layout.execution, 0), *((area, 0) for area in layout.storage)]
    else:
        areas = [(layout, 0), (layout, part.bank_size)]
    starts = [(part.base + bank + area.slot.offset, area.slot.size) for area, bank in areas]
    return tuple((start, start + size) for start, size in starts)


class EraseBudget:
    """Watches one boot on *flash*, by its trace and by the events that it is told."""

    def __init__(
        self, flash: EmulatedFlash, slots: Slots, spans: Sequence[Span], *, tries: int = 1
    ) -> None:
        """*spans*: the addresses of all slots, also of the one that is copied to. *tries*: how
        often a sector may be erased that does not take what is written."""
        self._trace = flash.trace = Trace()
        self._slots = slots
        self._spans = tuple(spans)
        self._tries = tries
        self._slot: tuple[int, ...] = ()
        self._done = 0
        self._erased: Counter[int] = Counter()

    def memory(self) -> Hashable:
        """What was erased of sectors that are not done, in this boot."""
        return self._done, frozenset(self._erased.items())

    def event(self, event: Event) -> None:
        """Raises Violation for what was done since the last one."""
        self._check_programs(event)
        self._check_erases()
        self._trace.forget()
        match event:
            case Booted():
                (self._slot,) = (at for name, at in self._slots.items() if name != event.bank)
                self._begin(0)
            case Resumed():
                self._begin(event.sectors_done)
            case JournalWritten(_, Phase.PLANNED.name):
                self._begin(0)
            case Progress(Work.PROGRAM, done):
                self._finish(done)

    def _begin(self, done: int) -> None:
        self._done, self._erased = done, Counter()

    def _finish(self, done: int) -> None:
        """The slot is written up to byte *done*; runs that are equal beyond are alike."""
        start = self._slot[0]
        sectors = sum(at - start < done for at in self._slot)
        self._done = max(self._done, sectors)
        for sector in range(sectors):
            self._erased.pop(sector, None)

    def _check_erases(self) -> None:
        for operation in self._trace:
            if operation.kind != "erase" or operation.address not in self._slot:
                continue
            sector = self._slot.index(operation.address)
            if sector < self._done or self._erased[sector] >= self._tries:
                why = "is done" if sector < self._done else "was erased in this boot already"
                raise Violation("live", f"sector {sector} of the slot {why}, and is erased again")
            self._erased[sector] += 1

    def _check_programs(self, event: Event) -> None:
        for address in self._trace.overwritten:
            if isinstance(event, Booted) and not self._is_in_slot(address):
                continue
            raise Violation(
                "erased",
                f"the unit at 0x{address:08X} is programmed, and no complete erase came before",
            )

    def _is_in_slot(self, address: int) -> bool:
        return any(first <= address < end for first, end in self._spans)

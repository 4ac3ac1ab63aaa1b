"""What a stretch of a boot looks at, and what it erases without having looked at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flash_emulator.array.pages import NotHeld, Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.explore.contents import Question
from flash_emulator.explore.look_tree import unwritten
from flash_emulator.explore.read_set import ReadSet, covers
from flash_emulator.explore.states import Job, Span
from flash_emulator.watchdog import beat_if_new


class Endless(BaseException):
    """The boot has done more operations than it may."""


class ReadTracker:
    """Notes what a stretch of a boot looks at, and what it erases unseen."""

    def __init__(self, flash: EmulatedFlash, job: Job, done: set[Operation]) -> None:
        """*done*: the operations that this boot has done before; they are added to it."""
        self._done = done
        self._unit = flash.part.program_unit
        self._flash = flash
        self._left = job.operations
        self._reads: list[Span] = list(job.looked_at)
        self._compared: dict[int, set[Slice]] = {}
        self._asked: set[Question] = set()
        self._erased: list[Span] = []
        self._dead: list[Span] = []
        self._not_held: dict[int, NotHeld] = {}
        self.looks: dict[Span, None] = {}  # at what was there when the stretch began; in order
        self.written: list[Span] = []
        self.last: Span | None = None  # that was read

    def look(self, span: Span) -> None:
        """*span* is looked at now."""
        if span not in self.looks and span[0] < min(span[1], self._flash.part.size):
            self.looks.update(dict.fromkeys(unwritten([span], self.written)))

    def read(self, offset: int, size: int) -> None:
        self.last = offset, offset + size
        self._reads.append(self.last)
        self.look(self.last)

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        self._asked.add((unit, wanted))
        at = unit * self._unit
        self.look((at, at + self._unit))
        if not never:
            self._reads.append((at, at + self._unit))
        elif not any(low <= at < high for low, high in self._erased):
            self._compared.setdefault(unit, set()).add(wanted)

    def moment(self) -> None:
        """Nothing is looked at."""

    def operation(self, operation: Operation) -> None:
        offset = self._flash.array_offset(operation.address)
        self._write(operation, offset)
        self._left -= operation.done
        if self._left < 0:
            raise Endless
        beat_if_new(operation, self._done)
        if operation.kind == "program":
            self._reads.append((offset, offset + len(operation.data)))
        elif operation.kind == "erase":
            sector = (offset, offset + self._flash.part.sector_starts[offset])
            if sector not in self._erased:
                self._erase(sector)

    def _write(self, operation: Operation, offset: int) -> None:
        """What is programmed is looked at: whether it is blank."""
        part, size = self._flash.part, 0
        match operation.kind:
            case "program":
                size = len(operation.data)
                self.look((offset, offset + size))
            case "erase":
                size = part.sector_starts[offset]
            case "bank erase":
                size = part.bank_size
            case "mass erase":
                offset, size = 0, part.size
        if self.written and self.written[-1][1] == offset:
            offset = self.written.pop()[0]
            size += self._flash.array_offset(operation.address) - offset
        self.written.append((offset, offset + size))

    def _erase(self, sector: Span) -> None:
        """Whole units of *sector* that were not looked at are dead, or were compared only."""
        self._erased.append(sector)
        units = [at for at in self._compared if sector[0] <= at * self._unit < sector[1]]
        self._dead += self._without([sector], [*self._reads, *map(self._span, units)])
        for at in units:
            if list(self._without([self._span(at)], self._reads)):
                self._not_held[at] = frozenset(self._compared[at])

    def followed_by(self, after: ReadSet) -> ReadSet:
        """What a boot looks at that goes through this stretch first, and then as *after* says."""
        seen = [*self._reads, *self._erased]
        compared = {**after.compared, **self._compared}
        dead = self._without(after.dead, [*seen, *map(self._span, compared)])
        not_held = dict(self._not_held)
        for at in compared:
            erased_later = at in after.compared or covers(after.dead, at * self._unit)
            if erased_later and list(self._without([self._span(at)], seen)):
                not_held[at] = frozenset(self._compared.get(at, ())) | after.compared.get(
                    at, frozenset()
                )
        asked = after.asked.union(self._asked) if self._asked else after.asked
        return ReadSet(None, _joined([*self._dead, *dead]), not_held, None, asked)

    def _span(self, unit: int) -> Span:
        return unit * self._unit, (unit + 1) * self._unit

    def _without(self, spans: Iterable[Span], seen: Iterable[Span]) -> Iterator[Span]:
        """What of *spans* lies in no unit of *seen*."""
        unit, order = self._unit, sorted(seen)
        for at, end in spans:
            for low, high in order:
                if high <= at or low >= end:
                    continue
                begin = low // unit * unit
                if begin > at:
                    yield at, begin
                at = max(at, -(-high // unit) * unit)
            if at < end:
                yield at, end


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """*spans* in ascending order, those that touch as one."""
    joined: list[Span] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(high, joined[-1][1])
        else:
            joined.append((low, high))
    return tuple(joined)

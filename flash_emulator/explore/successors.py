"""All states that a cut in one operation may leave.

Every unit of a bulk program is an operation with all its outcomes. Where nobody looks at what they
leave before it is erased, they all are one state: the units hold something *unknown*. That is not
assumed but tried: the state with the unknown units is booted, and a boot that reads or programs one
of them says which (``UnknownContent``). Then these units are told apart, the others stay unknown,
and it is tried again. So a merged state stands for every content that the units may have, also
for those that the model of torn cells would never draw.

In the same way all else becomes unknown that the next boot erases and does not look at before. If a
later boot looks at it after all, it is told apart there (``refining``). Of a unit that was
only compared with something (``EmulatedFlash.match``) it stays known that it does not hold that.

A weak bit is taken for metastable as soon as power goes: it reads right in one boot and may read
wrong in the next, and right again after that. That is more than the silicon's model allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from flash_emulator.array.pages import Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.possible import may_hold, may_hold_after_erase
from flash_emulator.device.trace import Operation
from flash_emulator.explore.contents import DRAWN, TORN, Cutting, Question, Told, Words
from flash_emulator.explore.next_boots import NextBoots, within
from flash_emulator.explore.path import Cut
from flash_emulator.explore.side_by_side import CutNeverFired, Pair, Sample
from flash_emulator.explore.states import Job, Key, Span, state_key
from flash_emulator.power import CutAt, Decay, Outcome, PowerLoss
from flash_emulator.subject import ExternalState
from flash_emulator.watchdog import beat

_FEW = 2  # units that are told apart at once
_TRIES = 12  # of a cut erase, before all of it is told apart


@dataclass(frozen=True, slots=True)
class Compared:
    """What boots make of a cut, as far as *flash* tells, which stands for all that they do not.

    *alike*: outcomes that it stands for; *asked*: what units of it never hold, though boots ask for
    it. *is_read*: some boot looks at more than whether a unit holds something.
    """

    flash: EmulatedFlash
    alike: tuple[Outcome, ...] = ()
    asked: tuple[Question, ...] = ()
    is_read: bool = False


def _itself(flash: EmulatedFlash) -> EmulatedFlash:
    return flash


@dataclass(frozen=True, slots=True)
class Successor:
    """One state, and the cut that leads to it. A *merged* one stands for many units or outcomes.

    ``cut.operation`` counts from the operation that was cut: 1 is its first unit. *asked*: what
    its boots compare units with, as far as that is known already.
    """

    key: Key
    flash: EmulatedFlash
    external: ExternalState
    cut: Cut
    merged: bool
    asked: frozenset[Question] = frozenset()


@dataclass(frozen=True, slots=True)
class Successors:
    """Of what *flash* is about to do; *boots* are those behind the cuts.

    *sample* is offered every state for which a representative is booted; *told* is what was told
    apart.
    """

    flash: EmulatedFlash
    boots: NextBoots
    sample: Sample
    decay: Decay | None = None
    told: Told = field(default_factory=Told)

    @property
    def job(self) -> Job:
        return self.boots.job

    def of(self, operation: Operation) -> Iterator[Successor]:
        """Of all cuts in *operation*, and of them again with each decay that is asked for."""
        yield from self.of_one(operation)
        for decay in self.job.decays:
            if operation.done > 1 or self.flash.may_decay(decay):
                yield from replace(self, decay=decay).of_one(operation)

    def of_one(self, operation: Operation) -> Iterator[Successor]:
        """Of all cuts in *operation*, with this decay or with none."""
        if self.job.options_at_risk and self.flash.part.options_at_risk:
            yield from self._spoilt(operation)
        if self._tells_all(operation):
            yield from self.apart(operation, 0, operation.done)
        elif operation.kind == "program":
            yield from self._program(operation, 0, operation.done)
        else:
            yield from self._erase(operation)

    def _tells_all(self, operation: Operation) -> bool:
        """Whether every unit and outcome makes a state of its own: also where FLASH_OPSR, which
        names the unit, is looked at."""
        opsr = self.job.opsr and self.flash.part.opsr
        return not self.job.merge or opsr or operation.kind not in ("program", "erase")

    def _spoilt(self, operation: Operation) -> Iterator[Successor]:
        """A cut of a program that corrupts the option bytes: once for all its units, for whatever
        they are left with, nobody sees it."""
        if operation.kind == "program":
            cut = Cut(1, Outcome.TORN, spoils_options=True)
            yield from self._ways(self._cut(operation, 0, cut), cut)

    def still(self) -> Iterator[Successor]:
        """Power goes while no operation is under way."""
        for decay in (None, *filter(self.flash.may_decay, self.job.decays)):
            yield from replace(self, decay=decay).still_one()

    def still_one(self) -> Iterator[Successor]:
        """The same, with this decay or with none."""
        twin = self._decayed()
        if self.job.merge:
            twin.cells.fade()
        yield from self._ways(twin, Cut())

    def each(self, operation: Operation | None) -> Iterator[Successor]:
        """Every cut by itself, with nothing taken for unknown; but as the search has it otherwise:
        weak bits metastable, and the subject's representative."""
        brute = replace(self.boots, job=replace(self.job, merge=False))
        alone = replace(self, boots=brute)
        for successor in alone.still() if operation is None else alone.of(operation):
            if self.job.merge:
                successor.flash.cells.fade()
                twin = self.job.represented(successor.flash)
                key = state_key(twin, successor.external)
                yield replace(successor, key=key, flash=twin)
            else:
                yield successor

    # --- programs

    def _program(self, operation: Operation, begin: int, end: int) -> Iterator[Successor]:
        """Cuts in units [begin, end) of the operation."""
        seen = self._seen_of(operation, begin, end) if end - begin > _FEW else range(begin, end)
        if seen is None:
            merged = self._unknown(operation, begin, end)
            yield from self._ways(merged, Cut(begin + 1, self.job.outcomes[0]), merged=True)
            return
        if seen.start > begin:
            yield from self._program(operation, begin, seen.start)
        yield from self.apart(operation, seen.start, seen.stop)
        if seen.stop < end:
            yield from self._program(operation, seen.stop, end)

    def _seen_of(self, operation: Operation, begin: int, end: int) -> range | None:
        """The units of [begin, end) that have to be told apart; None when nobody looks at any."""
        unit = self.flash.part.program_unit
        offset = operation.address - self.flash.part.base
        span = (offset + begin * unit, offset + end * unit)
        seen, merged = self.boots.must_look(span), self._unknown(operation, begin, end)
        seen = seen or self.boots.looked_at(merged, span) or self.boots.kept(merged, span)
        if seen is None:
            return None
        return range((seen[0] - offset) // unit, -(-(seen[1] - offset) // unit))

    def _unknown(self, operation: Operation, begin: int, end: int) -> EmulatedFlash:
        """Units before *begin* programmed, those up to *end* unknown, those behind untouched."""
        twin, unit = self.flash.alone(), self.flash.part.program_unit
        if begin:
            twin.repeat(replace(operation, data=operation.data[: begin * unit], done=begin))
        if self.decay is not None:
            twin.decay(self.decay)
        twin.forget(operation.address + begin * unit, (end - begin) * unit)
        twin.cells.fade()
        return twin

    def apart(self, operation: Operation, begin: int, end: int) -> Iterator[Successor]:
        """Every outcome of every unit. AFTER of one unit is BEFORE of the next."""
        for unit in range(begin, end):
            last = unit == operation.done - 1
            outcomes = tuple(o for o in self.job.outcomes if last or o is not Outcome.AFTER)
            if self._tells_all(operation) or operation.kind != "program":
                yield from self._unit(operation, unit, outcomes)
                continue
            unknown = self._unknown(operation, unit, unit + 1)
            at = operation.address - self.flash.part.base + unit * self.flash.part.program_unit
            span = (at, at + self.flash.part.program_unit)
            found = self._compared(operation, unit, outcomes, unknown, span)
            yield from self._alike(unit, found)
            yield from self._unit(operation, unit, outcomes, found)

    def _compared(
        self,
        operation: Operation,
        unit: int,
        outcomes: tuple[Outcome, ...],
        unknown: EmulatedFlash,
        span: Span,
    ) -> Compared:
        """Which outcomes boots cannot tell from one another.

        *unknown*: with nothing known of *span*. Where boots look at units of it only to compare
        them with something, those outcomes are one that will never hold that.
        """
        twin = unknown
        asked: dict[int, set[Slice]] = {}
        for _ in range(_TRIES):
            read_set = None if self.boots.must_look(span) else self.boots.first_read_set(twin, span)
            if read_set is None or read_set.wanted is None or read_set.seen is None:
                break
            index = read_set.seen[0] // self.flash.part.program_unit
            asked.setdefault(index, set()).add(read_set.wanted)
            twin = twin.fork()
            twin.cells.exclude(index, frozenset(asked[index]))
        else:
            return Compared(twin)
        if read_set is not None or self.boots.must_look(span):
            return Compared(twin, is_read=True)
        if self.boots.kept(twin, span):
            return Compared(twin)
        questions = tuple((index, one) for index in sorted(asked) for one in sorted(asked[index]))
        alike = tuple(o for o in outcomes if self._never_holds(operation, unit, o, questions))
        return Compared(twin, alike, questions)

    def _alike(self, unit: int, found: Compared) -> Iterator[Successor]:
        """One state for all outcomes that are alike."""
        if found.alike:
            cut = Cut(unit + 1, found.alike[0])
            yield from self._ways(found.flash, cut, merged=len(found.alike) > 1)

    def _never_holds(
        self, operation: Operation, unit: int, outcome: Outcome, asked: Sequence[Question]
    ) -> bool:
        return not any(
            self._may_hold(operation, unit, outcome, draw, asked) for draw in self._draws(outcome)
        )

    def _may_hold(
        self,
        operation: Operation,
        unit: int,
        outcome: Outcome,
        draw: int,
        asked: Sequence[Question],
    ) -> bool:
        if operation.kind == "erase":
            at = self._decayed(), operation.address
            return any(may_hold_after_erase(*at, index, outcome, o, draw) for index, o in asked)
        cut = self._cut(operation, unit, Cut(1, outcome, draw=draw))
        return any(may_hold(cut.cells, index, one) for index, one in asked)

    def _draws(self, outcome: Outcome) -> range:
        return range(self.job.draws if outcome in DRAWN else 1)

    def _unit(
        self,
        operation: Operation,
        unit: int,
        outcomes: tuple[Outcome, ...],
        found: Compared | None = None,
        seen: Span | None = None,
    ) -> Iterator[Successor]:
        """Each outcome and draw by itself, but for those that are *found* alike; and all that boots
        ask units for. Of an erase only what is *seen* of it is told apart, where that is said."""
        found = found or Compared(self.flash)
        span, unit_size = self._span_of(operation, unit), self.flash.part.program_unit
        known = within(self.job.asked, span, unit_size)
        shaped = partial(self._seen_only, span=span, seen=seen) if seen else _itself
        for outcome in outcomes:
            is_alike = outcome in found.alike
            self.told.read += found.is_read and outcome in TORN
            for draw in self._draws(outcome) if not is_alike or outcome in TORN else ():
                cut = Cut(unit + 1, outcome, draw=draw)
                cutting = Cutting(
                    operation,
                    outcome,
                    self._decayed().cells,
                    partial(self._left, operation, unit, cut),
                    shaped,
                    partial(self.boots.asked, span=span),
                    self._new_word(operation, unit),
                    range(span[0] // unit_size, span[1] // unit_size),
                    self.job.erased_values,
                )
                first = (*found.asked, *known) if is_alike else None
                for words, twin in cutting.contents(self.told, first):
                    yield from self._ways(twin, replace(cut, words=tuple(sorted(words.items()))))

    def _left(self, operation: Operation, unit: int, cut: Cut, words: Words) -> EmulatedFlash:
        return self._cut(operation, unit, replace(cut, words=tuple(words.items())))

    def _span_of(self, operation: Operation, unit: int) -> Span:
        """What a cut of that unit touches."""
        part, size = self.flash.part, self.flash.part.program_unit
        match operation.kind:
            case "program":
                at = self.flash.array_offset(operation.address) + unit * size
                return at, at + size
            case "erase":
                at = self.flash.array_offset(operation.address)
                return at, at + part.sector_starts[at]
            case "bank erase":
                at = self.flash.array_offset(operation.address)
                return at, at + part.bank_size
            case "mass erase":
                return 0, part.size
        return 0, 0

    def units_of(self, operation: Operation | None, cut: Cut) -> tuple[int, int]:
        """Units of which the next boot was asked what it compares them with."""
        if operation is None or not self.job.merge or not cut.operation:
            return 0, 0
        low, high = self._span_of(operation, cut.operation - 1)
        unit = self.flash.part.program_unit
        return low // unit, high // unit

    def _new_word(self, operation: Operation, unit: int) -> int:
        cells, size = self.flash.cells, self.flash.part.program_unit
        if operation.kind != "program":
            return (1 << cells.word_bits) - 1
        data = int.from_bytes(operation.data[unit * size : (unit + 1) * size], "little")
        return cells.code.encode(data) if cells.code else data

    # --- erases

    def _erase(self, operation: Operation) -> Iterator[Successor]:
        """A sector: one state where nobody looks, else one for each outcome."""
        offset = operation.address - self.flash.part.base
        span = (offset, offset + self.flash.part.sector_starts[offset])
        merged = self._decayed()
        merged.forget(operation.address, span[1] - span[0])
        merged.cells.fade()
        found = self._compared(operation, 0, self.job.outcomes, merged, span)
        yield from self._alike(0, found)
        outcomes = self.job.outcomes
        if set(outcomes) == set(found.alike) and not found.asked:
            return
        seen = self.boots.must_look(span) or self.boots.looked_at(merged, span)
        seen = seen or self.boots.kept(merged, span) or span
        yield from self._unit(operation, 0, outcomes, found, seen)

    def _seen_only(self, flash: EmulatedFlash, span: Span, seen: Span) -> EmulatedFlash:
        """*flash* with what nobody looks at unknown; where somebody does is found by trying."""
        for _ in range(_TRIES):
            twin = self._but(flash, span, seen)
            more = self.boots.looked_at(twin, span) or self.boots.kept(twin, span)
            if more is None:
                return twin
            seen = (min(seen[0], more[0]), max(seen[1], more[1]))
        return flash

    def _but(self, flash: EmulatedFlash, span: Span, seen: Span) -> EmulatedFlash:
        """A twin with all units of *span* unknown but those of *seen*."""
        base, unit = flash.part.base, flash.part.program_unit
        low, high = seen[0] // unit * unit, -(-seen[1] // unit) * unit
        twin = flash.fork()
        twin.forget(base + span[0], max(0, low - span[0]))
        twin.forget(base + high, max(0, span[1] - high))
        return twin

    # --- cutting and looking

    def _decayed(self) -> EmulatedFlash:
        """A twin in which the decay has happened to what was complete before the operation."""
        twin = self.flash.alone()
        if self.decay is not None:
            twin.decay(self.decay)
        return twin

    def _cut(self, operation: Operation, unit: int, cut: Cut) -> EmulatedFlash:
        """A twin that loses power in this unit of the operation, as *cut* says."""
        beat()
        twin = self.flash.alone()
        twin.supply = CutAt(
            unit + 1,
            cut.outcome,
            spoils_options=cut.spoils_options,
            decay=self.decay,
            draw=cut.draw,
            words=dict(cut.words),
        )
        try:
            twin.repeat(operation)
        except PowerLoss:
            if self.job.merge:
                twin.cells.fade()
            return twin
        raise CutNeverFired(f"{operation}: unit {unit}, {cut}")

    def _ways(self, flash: EmulatedFlash, cut: Cut, *, merged: bool = False) -> Iterator[Successor]:
        self.boots.drop_opsr(flash)
        standing = self.job.represented(flash)
        for way, external in self.boots.ways:
            here = replace(cut, way=way, decay=self.decay)
            if standing is not flash:
                self.sample.offer(Pair(state_key(flash, external), flash, standing, external, here))
            returned = self.job.subject.returned(standing, external)
            twin, key, asked = self.boots.without_dead(returned, external)
            yield Successor(key, twin, external, here, merged, asked)

"""The boots behind a cut: what they look at, and what need not be known for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.explore.contents import Question
from flash_emulator.explore.read_set import ReadSet, ReadSetOf
from flash_emulator.explore.states import Job, Key, Span, state_key
from flash_emulator.subject import ExternalState


@dataclass(frozen=True, slots=True)
class NextBoots:
    """Those in each of *ways*: what survives beside the flash, by how power comes back.

    *dissolved* are states that would have come to be, but for ``Job.keep``.
    """

    job: Job
    read_set_of: ReadSetOf
    ways: Sequence[tuple[str, ExternalState]]
    dissolved: set[Key] = field(default_factory=set)

    def first_read_set(self, flash: EmulatedFlash, span: Span) -> ReadSet | None:
        """The first that boots in any of the ways look at within *span*."""
        self.drop_opsr(flash)
        for _, external in self.ways:
            here = self.job.subject.returned(flash, external)
            read_set = self.read_set_of(here, external, state_key(here, external))
            if (
                read_set.seen is not None
                and read_set.seen[0] < span[1]
                and span[0] < read_set.seen[1]
            ):
                return read_set
        return None

    def looked_at(self, flash: EmulatedFlash, span: Span) -> Span | None:
        """What boots in any of the ways look at within *span*."""
        found = []
        self.drop_opsr(flash)
        for _, external in self.ways:
            here = self.job.subject.returned(flash, external)
            seen = self.read_set_of(here, external, state_key(here, external)).seen
            if seen is not None and seen[0] < span[1] and span[0] < seen[1]:
                found.append((max(seen[0], span[0]), min(seen[1], span[1])))
        return hull(found)

    def must_look(self, span: Span) -> Span | None:
        """What of *span* is known to be looked at by a later boot."""
        return hull(
            (max(low, span[0]), min(high, span[1]))
            for low, high in self.job.looked_at
            if low < span[1] and span[0] < high
        )

    def asked(self, flash: EmulatedFlash, span: Span) -> set[Question]:
        """What boots compare units of *span* with: the next one; of others what is known."""
        found = set(self.job.asked)
        if self.job.merge:
            self.drop_opsr(flash)
            for _, external in self.ways:
                here = self.job.subject.returned(flash, external)
                found |= self.read_set_of(here, external, state_key(here, external)).asked
        return within(found, span, flash.part.program_unit)

    def without_dead(
        self, flash: EmulatedFlash, external: ExternalState
    ) -> tuple[EmulatedFlash, Key, frozenset[Question]]:
        """*flash* with all unknown that its next boot erases and does not look at before; and what
        that boot compares units with."""
        key = state_key(flash, external)
        if not self.job.merge:
            return flash, key, frozenset()
        read_set = self.read_set_of(flash, external, key)
        if not read_set.dead and not read_set.compared:
            return flash, key, read_set.asked
        kept: set[Span] = set()
        while True:
            twin = _without(flash, read_set, kept)
            key = state_key(twin, external)
            more = set(self.job.keep.get(key, ())) - kept
            if not any(_is_forgotten(read_set, span, flash.part.program_unit) for span in more):
                return twin, key, read_set.asked
            self.dissolved.add(key)
            kept |= more

    def kept(self, flash: EmulatedFlash, span: Span) -> Span | None:
        """What of *span* must be kept apart, though the next boot does not look at it: a later one
        does. All of it, where the representative has it elsewhere."""
        if not self.job.keep:
            return None
        found: list[Span] = []
        self.drop_opsr(flash)
        standing = self.job.represented(flash)
        for _, external in self.ways:
            _, key, _ = self.without_dead(self.job.subject.returned(standing, external), external)
            kept = self.job.keep.get(key, ())
            here = [s for s in kept if s[0] < span[1] and span[0] < s[1]]
            if standing is not flash and kept:
                here = [span]
            if here:
                self.dissolved.add(key)
            found += [(max(low, span[0]), min(high, span[1])) for low, high in here]
        return hull(found)

    def drop_opsr(self, flash: EmulatedFlash) -> None:
        """What FLASH_OPSR says is unknown as long as no boot reads it: each cut has its own."""
        if self.job.merge and not self.job.opsr:
            flash.forget_interrupted()


def within(asked: Iterable[Question], span: Span, unit: int) -> set[Question]:
    """Those of units of *unit* bytes that lie in *span*."""
    return {question for question in asked if span[0] <= question[0] * unit < span[1]}


def _without(flash: EmulatedFlash, read_set: ReadSet, kept: Iterable[Span]) -> EmulatedFlash:
    """A twin in which all is unknown that the boot does not look at, but for what is *kept*."""
    twin, base, unit = flash.fork(), flash.part.base, flash.part.program_unit
    for span in read_set.dead:
        for low, high in _outside(span, kept):
            twin.forget(base + low, high - low)
    for index, slices in read_set.compared.items():
        if not any(low < (index + 1) * unit and index * unit < high for low, high in kept):
            known = twin.cells.not_held(index)
            twin.forget(base + index * unit, unit)
            twin.cells.exclude(index, slices | known)
    return twin


def _outside(span: Span, others: Iterable[Span]) -> Iterator[Span]:
    at, end = span
    for low, high in sorted(others):
        if high <= at or low >= end:
            continue
        if low > at:
            yield at, low
        at = max(at, high)
    if at < end:
        yield at, end


def _is_forgotten(read_set: ReadSet, span: Span, unit: int) -> bool:
    """Whether a state is made by forgetting some of *span*."""
    low, high = span
    dead = any(low < end and begin < high for begin, end in read_set.dead)
    return dead or any(low < (at + 1) * unit and at * unit < high for at in read_set.compared)


def hull(spans: Iterable[Span]) -> Span | None:
    found = list(spans)
    if not found:
        return None
    return min(low for low, _ in found), max(high for _, high in found)

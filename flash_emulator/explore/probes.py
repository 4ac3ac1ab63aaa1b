"""Probes: boots that are only followed to see what they look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from flash_emulator.array.cells import Cells
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.errors import OutsideKey, UnknownContent
from flash_emulator.explore.look_tree import LookTree, Rest, Seen, unwritten
from flash_emulator.explore.read_choice import Looked, ReadChoice, Ways, powered
from flash_emulator.explore.read_set import ReadSet, both_of
from flash_emulator.explore.read_tracker import Endless, ReadTracker
from flash_emulator.explore.states import Job, Key, point_moment, start_moment
from flash_emulator.subject import Boot, ExternalState
from flash_emulator.watchdog import beat, calm_if_hung, heed

_CHECK_EVERY = 128  # flashes, by two bytes of their digest


class Prober:
    """Says what boots look at, and remembers it as long as one search goes on.

    What it says depends on the state and the job alone, not on what it was asked before. Where a
    boot that saw the same is known, there is none (``look_tree``); one time in 128 there is all the
    same, and must look at the same.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._read_sets: dict[Key, ReadSet] = {}
        self._tree = LookTree()
        self._news: dict[Key, ReadSet] = {}

    def take_news(self) -> dict[Key, ReadSet]:
        """What was found out since this was asked last."""
        news, self._news = self._news, {}
        return news

    def learn(self, found: dict[Key, ReadSet]) -> None:
        """What another prober of the same search has found out."""
        self._read_sets.update(found)

    def read_set_of(self, flash: EmulatedFlash, external: ExternalState, key: Key) -> ReadSet:
        """What boots from this state look at, however metastable bits read. Remembered."""
        found = self._read_sets.get(key)
        if found is None:
            read_sets = self._read_sets_of(flash, external)
            found = both_of(read_sets, flash.part.program_unit)
            self._read_sets[key] = self._news[key] = found
        return found

    def _read_sets_of(self, flash: EmulatedFlash, external: ExternalState) -> Iterator[ReadSet]:
        ways = Ways(self.job.metastable_modes)
        for read_choice in ways:
            seen = self._read_set(flash, read_choice, external)
            ways.looked(read_choice, seen.looked)
            yield seen.read_set

    def _read_set(
        self, flash: EmulatedFlash, read_choice: ReadChoice, external: ExternalState
    ) -> Seen:
        """What one boot looks at."""
        beat()
        digest = flash.state_digest()
        known = None
        start = _Moment(start_moment(flash, read_choice, external), flash.cells.fork())
        if not start.cells.has_weak:  # else power-on changes cells
            known = self._tree.find(start.name, start.cells)
        if known is None:
            return self._probed(flash, read_choice, external, start)
        if int.from_bytes(digest[:2]) % _CHECK_EVERY == 0:
            self._check(known.seen, flash, read_choice, external)
        return known.seen

    def _check(
        self, seen: Seen, flash: EmulatedFlash, read_choice: ReadChoice, external: ExternalState
    ) -> None:
        """The boot itself must see that, too. Raises OutsideKey."""
        probe = _Probe(self.job, LookTree())
        if probe.boot(flash, read_choice, external).seen != seen:
            raise OutsideKey(
                "two boots that looked at the same do not do the same: the subject looks at flash "
                "behind the device's back, or keeps something beside flash and external state"
            )

    def _probed(
        self,
        flash: EmulatedFlash,
        read_choice: ReadChoice,
        external: ExternalState,
        start: _Moment,
    ) -> Seen:
        """The same by a boot, up to where one that saw the same from there on is known."""
        probe = _Probe(self.job, self._tree)
        found = probe.boot(flash, read_choice, external)
        if not start.cells.has_weak and probe.is_whole:
            moments = (start, *probe.moments)
            for moment, rest in zip(moments, probe.rests, strict=False):
                self._tree.add(moment.name, moment.cells, rest)
        return found.seen


@dataclass(frozen=True, slots=True)
class _Moment:
    """One at which a boot has all that comes before it."""

    name: bytes
    cells: Cells


class _Probe:
    """One boot that is only followed: its stretches, from each point that it passes to the next."""

    flash: EmulatedFlash

    def __init__(self, job: Job, tree: LookTree) -> None:
        self.stretches: list[ReadTracker] = []
        self.flickered: list[Looked] = []  # up to each point
        self.moments: list[_Moment] = []  # the points
        self.is_whole = True  # all that it looked at is known
        self.rests: list[Rest] = []  # from the start on, and from each point
        self._rest = Rest(Seen(), ())  # behind the last stretch
        self._job = job
        self._tree = tree
        self._done: set[Operation] = set()

    def boot(self, flash: EmulatedFlash, read_choice: ReadChoice, external: ExternalState) -> Rest:
        """Follow it to its end, or to where the rest is known."""
        try:
            self._boot(flash, read_choice, external)
        except UnknownContent as unknown:
            calm_if_hung()
            span = (unknown.offset, unknown.offset + unknown.size)
            self._rest = Rest(Seen(ReadSet(span, wanted=unknown.wanted)), ())
            if unknown.wanted is not None and self.stretches:
                self.stretches[-1].look(span)
            elif not self.stretches or self.stretches[-1].last != span:
                self.is_whole = False  # as when blank units in front of it were looked for
        self._fold()
        return self.rests[0]

    def _boot(self, flash: EmulatedFlash, read_choice: ReadChoice, external: ExternalState) -> None:
        """Raises UnknownContent, also where the subject hides it."""
        self.flash = flash  # until there is its twin
        try:
            # what is wrong is found when the state is booted
            with suppress(Endless, Exception, SystemExit):
                self._follow(
                    self._job.subject.boot(powered(flash, read_choice, self._begin), external)
                )
        finally:
            with suppress(Endless):
                self.flash.cells.halt.check()

    def _follow(self, boot: Boot) -> None:
        flash, passed = self.flash, set[tuple[bytes, int]]()
        for memory in boot.run():
            flash.cells.halt.check()
            heed()
            name = point_moment(flash, boot.volatile(), memory)
            rest = self._tree.find(name, flash.cells)
            if rest is not None:
                self.moments.append(_Moment(name, flash.cells))
                self._rest = rest
                return
            place = name, flash.cells.digest()
            if place in passed:
                self.is_whole = False  # it comes back to itself
                return
            passed.add(place)
            self.moments.append(_Moment(name, flash.cells.fork()))
            self.flickered.append(Looked.by(flash))
            flash.watch = self._begin(flash)

    def _begin(self, flash: EmulatedFlash) -> ReadTracker:
        """The next stretch."""
        self.flash = flash
        self.stretches.append(ReadTracker(flash, self._job, self._done))
        return self.stretches[-1]

    def _fold(self) -> None:
        """What is seen from the start and from each point on: from the last stretch to the
        first."""
        seen, spans = self._rest.seen, self._rest.spans
        read_set, is_blind = seen.read_set, seen.read_set.seen is not None
        looked = seen.looked | Looked.by(self.flash)
        for index in range(len(self.stretches) - 1, -1, -1):
            stretch = self.stretches[index]
            if not is_blind:
                read_set = stretch.followed_by(read_set)
            spans = tuple(dict.fromkeys((*stretch.looks, *unwritten(spans, stretch.written))))
            if self.flash.cells.halt.has_peeked:
                spans = ((0, self.flash.part.size),)  # nothing but the same flash will do
            later = looked - self.flickered[index - 1] if index else looked
            self.rests.append(Rest(Seen(read_set, later), spans))
        self.rests.reverse()
        self.rests = self.rests or [self._rest]

"""Probes: boots that are only followed to see what they look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.read_choice import Looked, ReadChoice, Ways, powered
from flash_emulator.explore.read_set import ReadSet, both_of
from flash_emulator.explore.read_tracker import Endless, ReadTracker
from flash_emulator.explore.states import Job, Key, Node, point_node
from flash_emulator.subject import Boot, ExternalState
from flash_emulator.watchdog import beat, calm_if_hung, heed


class Prober:
    """Says what boots look at, and remembers it as long as one search goes on.

    What it says depends on the state and the job alone, not on what it was asked before.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._read_sets: dict[Key, ReadSet] = {}
        self._after: dict[Node, Seen] = {}  # what boots look at from there on; nothing unknown
        self._news = Found()

    def take_news(self) -> Found:
        """What was found out since this was asked last."""
        news, self._news = self._news, Found()
        return news

    def learn(self, found: Found) -> None:
        """What another prober of the same search has found out."""
        self._read_sets.update(found.read_sets)
        self._after.update(found.after)

    def read_set_of(self, flash: EmulatedFlash, external: ExternalState, key: Key) -> ReadSet:
        """What boots from this state look at, however metastable bits read. Remembered."""
        found = self._read_sets.get(key)
        if found is None:
            read_sets = self._read_sets_of(flash, external)
            found = both_of(read_sets, flash.part.program_unit)
            self._read_sets[key] = self._news.read_sets[key] = found
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
        """What one boot looks at; from a point on that another has passed, as that one did."""
        beat()
        probe = _Probe(self.job, self._after)
        try:
            probe.boot(flash, read_choice, external)
        except UnknownContent as unknown:
            calm_if_hung()
            span = (unknown.offset, unknown.offset + unknown.size)
            return Seen(ReadSet(span, wanted=unknown.wanted))
        return self._fold(probe)

    def _fold(self, probe: _Probe) -> Seen:
        """From the last stretch to the first; what is seen from each point is remembered."""
        passed = probe.passed
        after = self._after.get(passed[-1], Seen()) if passed else Seen()
        read_set, looked = after.read_set, after.looked | Looked.by(probe.flash)
        for index in range(len(probe.stretches) - 1, -1, -1):
            read_set = probe.stretches[index].followed_by(read_set)
            if index:
                later = looked - probe.flickered[index - 1]
                node, seen = passed[index - 1], Seen(read_set, later)
                if node not in self._after:
                    self._after[node] = self._news.after[node] = seen
        return Seen(read_set, looked)


class _Probe:
    """One boot that is only followed: its stretches, from each point that it passes to the next."""

    flash: EmulatedFlash

    def __init__(self, job: Job, after: Collection[Node]) -> None:
        self.stretches: list[ReadTracker] = []
        self.flickered: list[Looked] = []  # up to each point
        self.passed: list[Node] = []
        self._job = job
        self._after = after
        self._done: set[Operation] = set()

    def boot(self, flash: EmulatedFlash, read_choice: ReadChoice, external: ExternalState) -> None:
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
        flash, passed = self.flash, set[Node]()
        for memory in boot.run():
            flash.cells.halt.check()
            heed()
            node = point_node(flash, boot.volatile(), memory)
            self.passed.append(node)
            if node in self._after or node in passed:
                return
            passed.add(node)
            self.flickered.append(Looked.by(flash))
            flash.watch = self._begin(flash)

    def _begin(self, flash: EmulatedFlash) -> ReadTracker:
        """The next stretch."""
        self.flash = flash
        self.stretches.append(ReadTracker(flash, self._job, self._done))
        return self.stretches[-1]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a boot looks at, as far as a probe goes; *looked*: of metastable units."""

    read_set: ReadSet = field(default_factory=ReadSet)
    looked: Looked = field(default_factory=Looked)


@dataclass(slots=True)
class Found:
    """What probes found out: from states, and from points of runs on."""

    read_sets: dict[Key, ReadSet] = field(default_factory=dict)
    after: dict[Node, Seen] = field(default_factory=dict)

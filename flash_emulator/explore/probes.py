"""Probes: boots that are only followed to see what they look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.looks import Look, both_of
from flash_emulator.explore.read_tracker import Endless, Looker
from flash_emulator.explore.reads import Looked, Reads, Ways, powered
from flash_emulator.explore.states import Job, Key, Node, point_node
from flash_emulator.explore.subject import Boot, Rest
from flash_emulator.explore.watchdog import beat, calm_if_hung, heed


class Prober:
    """Says what boots look at, and remembers it as long as one search goes on.

    What it says depends on the state and the job alone, not on what it was asked before.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._looks: dict[Key, Look] = {}
        self._after: dict[Node, Seen] = {}  # what boots look at from there on; nothing unknown
        self._news = Found()

    def take_news(self) -> Found:
        """What was found out since this was asked last."""
        news, self._news = self._news, Found()
        return news

    def learn(self, found: Found) -> None:
        """What another prober of the same search has found out."""
        self._looks.update(found.looks)
        self._after.update(found.after)

    def looks(self, flash: EmulatedFlash, rest: Rest, key: Key) -> Look:
        """What boots from this state look at, however metastable bits read. Remembered."""
        found = self._looks.get(key)
        if found is None:
            looks = self._all_looks(flash, rest)
            found = both_of(looks, flash.part.program_unit)
            self._looks[key] = self._news.looks[key] = found
        return found

    def _all_looks(self, flash: EmulatedFlash, rest: Rest) -> Iterator[Look]:
        ways = Ways(self.job.readings)
        for reads in ways:
            seen = self._look(flash, reads, rest)
            ways.looked(reads, seen.looked)
            yield seen.look

    def _look(self, flash: EmulatedFlash, reads: Reads, rest: Rest) -> Seen:
        """What one boot looks at; from a point on that another has passed, as that one did."""
        beat()
        probe = _Probe(self.job, self._after)
        try:
            probe.boot(flash, reads, rest)
        except UnknownContent as unknown:
            calm_if_hung()
            span = (unknown.offset, unknown.offset + unknown.size)
            return Seen(Look(span, wanted=unknown.wanted))
        return self._fold(probe)

    def _fold(self, probe: _Probe) -> Seen:
        """From the last stretch to the first; what is seen from each point is remembered."""
        passed = probe.passed
        after = self._after.get(passed[-1], Seen()) if passed else Seen()
        look, looked = after.look, after.looked | Looked.by(probe.flash)
        for index in range(len(probe.stretches) - 1, -1, -1):
            look = probe.stretches[index].followed_by(look)
            if index:
                later = looked - probe.flickered[index - 1]
                node, seen = passed[index - 1], Seen(look, later)
                if node not in self._after:
                    self._after[node] = self._news.after[node] = seen
        return Seen(look, looked)


class _Probe:
    """One boot that is only followed: its stretches, from each point that it passes to the next."""

    flash: EmulatedFlash

    def __init__(self, job: Job, after: Collection[Node]) -> None:
        self.stretches: list[Looker] = []
        self.flickered: list[Looked] = []  # up to each point
        self.passed: list[Node] = []
        self._job = job
        self._after = after
        self._done: set[Operation] = set()

    def boot(self, flash: EmulatedFlash, reads: Reads, rest: Rest) -> None:
        """Raises UnknownContent, also where the subject hides it."""
        self.flash = flash  # until there is its twin
        try:
            # what is wrong is found when the state is booted
            with suppress(Endless, Exception, SystemExit):
                self._follow(self._job.subject.boot(powered(flash, reads, self._begin), rest))
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

    def _begin(self, flash: EmulatedFlash) -> Looker:
        """The next stretch."""
        self.flash = flash
        self.stretches.append(Looker(flash, self._job, self._done))
        return self.stretches[-1]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a boot looks at, as far as a probe goes; *looked*: of metastable units."""

    look: Look = field(default_factory=Look)
    looked: Looked = field(default_factory=Looked)


@dataclass(slots=True)
class Found:
    """What probes found out: from states, and from points of runs on."""

    looks: dict[Key, Look] = field(default_factory=dict)
    after: dict[Node, Seen] = field(default_factory=dict)

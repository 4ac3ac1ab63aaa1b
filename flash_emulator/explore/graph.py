"""All nodes that were gone through, and what follows from them together.

Left alone, a boot goes one way only: from its node to the next one, until it ends. So the graph of
uninterrupted runs is a function, and a run that never ends is a cycle in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from flash_emulator.array.pages import Slice
from flash_emulator.explore.contents import Question, Told
from flash_emulator.explore.path import Path
from flash_emulator.explore.report import COMES_BACK, Counterexample
from flash_emulator.explore.states import Expansion, Key, Node, Segment, start_node
from flash_emulator.power import Outcome


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of a segment."""

    operations: int
    signature: bytes
    next: Node | None
    end: str
    violated: bool
    asked: frozenset[Question]  # what units were compared with


@dataclass(slots=True)
class Graph:
    """Grows with every expansion."""

    entries: dict[Node, Entry] = field(default_factory=dict)
    starts: dict[Node, tuple[Key, Path, int]] = field(default_factory=dict)  # and the sector cut
    ends: Counter[str] = field(default_factory=Counter)
    children: set[Key] = field(default_factory=set)
    heat: Counter[tuple[int, Outcome]] = field(default_factory=Counter)
    cuts: int = 0
    edges: int = 0
    merged: int = 0
    operations: int = 0
    idle: int = 0
    reruns: int = 0
    represented: int = 0  # states in whose place another one was booted
    compared: int = 0  # of those: booted side by side with it
    told: Told = field(default_factory=Told)
    late: set[Question] = field(default_factory=set)  # that boots will ask, say their probes
    torn: dict[Key, tuple[int, int]] = field(default_factory=dict)  # units, by all cuts to a state
    enumerated: int = 0  # cuts that left what a boot asks for, where the draw had not
    left_out: int = 0  # boots that looked at too many metastable units to flip them in every way
    echoes: list[Segment] = field(default_factory=list)

    def add(self, expansion: Expansion) -> Iterator[Segment]:
        """Take over what is new; yield it. Two batches of a level may bring the same."""
        self.reruns += expansion.reruns
        self.represented += expansion.represented
        self.compared += expansion.compared
        self.echoes += expansion.echoes
        self.left_out += expansion.left_out
        self.told.update(expansion.told)
        self.late |= expansion.late
        start = start_node(expansion.state, expansion.read_choice)
        path = replace(expansion.path, read_choice=expansion.read_choice)
        self.starts[start] = (expansion.state, path, expansion.sector)
        if not path.cuts:
            self.torn[expansion.state] = 0, 0
        for segment in expansion.segments:
            if segment.node not in self.entries:
                self._add(segment)
                yield segment

    def _add(self, segment: Segment) -> None:
        self.entries[segment.node] = Entry(
            segment.operations,
            segment.signature,
            segment.next,
            segment.end,
            segment.violation is not None,
            frozenset(segment.asked),
        )
        self.operations += segment.operations
        self.idle += segment.idle
        self.cuts += sum(segment.heat.values())
        self.heat.update(segment.heat)
        self.edges += len(segment.edges)
        self.merged += sum(edge.merged for edge in segment.edges)
        self.enumerated += sum(bool(edge.cut.words) for edge in segment.edges)
        self.children.update(edge.key for edge in segment.edges)
        for edge in segment.edges:
            low, high = self.torn.get(edge.key, edge.units)
            self.torn[edge.key] = max(low, edge.units[0]), min(high, edge.units[1])
        if segment.end:
            self.ends[segment.end] += 1

    def asked(self) -> dict[int, set[Slice]]:
        """What boots compare units with."""
        asked = (question for entry in self.entries.values() for question in entry.asked)
        return _by_unit(chain(self.late, asked))

    def asked_late(self) -> dict[int, set[Slice]]:
        """The same of units that not every last cut before such a boot has torn."""
        found = set(self.late)
        known: dict[Node, frozenset[Question]] = {}
        for start, (key, _, _) in self.starts.items():
            low, high = self.torn.get(key, (0, 0))
            asked = self._asked_from(start, known)
            found.update(question for question in asked if not low <= question[0] < high)
        return _by_unit(found)

    def _asked_from(
        self, start: Node, known: dict[Node, frozenset[Question]]
    ) -> frozenset[Question]:
        """By a run from there on, to its end, or to where it comes back to itself."""
        way: dict[Node, None] = {}
        node: Node | None = start
        while node is not None and node in self.entries and node not in known and node not in way:
            way[node] = None
            node = self.entries[node].next
        asked = known.get(node, frozenset()) if node is not None else frozenset[Question]()
        if node in way:
            asked = asked.union(*(self.entries[each].asked for each in way))
        for each in reversed(way):
            asked = known[each] = asked | self.entries[each].asked
        return asked

    def heat_by_sector(self) -> dict[int, dict[Outcome, int]]:
        """Cuts by offset of the sector, and outcome."""
        table: dict[int, dict[Outcome, int]] = {}
        for (sector, outcome), count in sorted(self.heat.items()):
            table.setdefault(sector, {})[outcome] = count
        return table

    def recoveries(self) -> dict[Node, int | None]:
        """Operations of every state's uninterrupted run; None where it never ends.

        A run whose end was not seen, since the search was stopped, counts as far as it was seen.
        """
        known: dict[Node, int | None] = {}
        for start in self.starts:
            self._follow(start, known)
        return {start: known[start] for start in self.starts if start in known}

    def _follow(self, start: Node, known: dict[Node, int | None]) -> None:
        way: list[Node] = []
        on_way: set[Node] = set()
        node: Node | None = start
        while node is not None and node in self.entries and node not in known:
            if node in on_way:
                known.update(dict.fromkeys(way))
                return
            way.append(node)
            on_way.add(node)
            node = self.entries[node].next
        total = known.get(node, 0) if node is not None else 0
        for node in reversed(way):
            total = None if total is None else total + self.entries[node].operations
            known[node] = total

    def loops(self) -> list[Counterexample]:
        """The shortest way into each run that comes back to where it was."""
        endless = [start for start, length in self.recoveries().items() if length is None]
        found: dict[Node, tuple[Path, int]] = {}
        for start in endless:
            _, path, sector = self.starts[start]
            place = min(self._cycle(start))
            if place not in found or len(path.cuts) < len(found[place][0].cuts):
                found[place] = (path, sector)
        return [Counterexample("live", COMES_BACK, path) for path, _ in found.values()]

    def _cycle(self, start: Node) -> list[Node]:
        """The nodes that an endless run comes back to."""
        order: dict[Node, int] = {}
        node = start
        while node not in order:
            order[node] = len(order)
            following = self.entries[node].next
            assert following is not None
            node = following
        return list(order)[order[node] :]


def _by_unit(questions: Iterable[Question]) -> dict[int, set[Slice]]:
    found: dict[int, set[Slice]] = {}
    for unit, wanted in questions:
        found.setdefault(unit, set()).add(wanted)
    return found

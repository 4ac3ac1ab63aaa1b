"""All nodes that were gone through, and what follows from them together.

Left alone, a boot goes one way only: from its node to the next one, until it ends. So the graph of
uninterrupted runs is a function, and a run that never ends is a cycle in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

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
    left_out: int = 0  # boots that looked at too many metastable units to flip them in every way
    echoes: list[Segment] = field(default_factory=list)

    def add(self, expansion: Expansion) -> Iterator[Segment]:
        """Take over what is new; yield it. Two batches of a level may bring the same."""
        self.reruns += expansion.reruns
        self.represented += expansion.represented
        self.compared += expansion.compared
        self.echoes += expansion.echoes
        self.left_out += expansion.left_out
        start = start_node(expansion.state, expansion.reads)
        path = replace(expansion.path, reads=expansion.reads)
        self.starts[start] = (expansion.state, path, expansion.sector)
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
        )
        self.operations += segment.operations
        self.idle += segment.idle
        self.cuts += sum(segment.heat.values())
        self.heat.update(segment.heat)
        self.edges += len(segment.edges)
        self.merged += sum(edge.merged for edge in segment.edges)
        self.children.update(edge.key for edge in segment.edges)
        if segment.end:
            self.ends[segment.end] += 1

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

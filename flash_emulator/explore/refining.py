"""Refine where somebody looked, and nowhere else; take over all that does not change by it.

A state stands for whatever its unknown content may be. A boot of it that looks at some of that all
the same dissolves it: wherever it was made, that content must be kept apart. It was forgotten
there, or was unknown before, in the state whose boot was cut; then that one is dissolved as well,
and so on, up to where the content was known.

``keep`` says so, by the key of the state that must not come to be. Boots whose cuts lead to none of
those are what they were: the next round takes them from here. So what a search comes to is the same
as if it had begun with that ``keep``; only the work is not done again. Nothing is taken over before
somebody has looked for the first time: most searches never need it, and it takes memory.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

from flash_emulator.explore.path import Path
from flash_emulator.explore.states import Expansion, Keep, Key, Node, Span, State


class Refining:
    """What one search knows of its rounds."""

    def __init__(self) -> None:
        self.keep: Keep = {}
        self._booted: dict[Key, list[Expansion]] = {}
        self._states: dict[Key, State] = {}
        self._leading: defaultdict[Key, set[Key]] = defaultdict(set)  # boots whose cuts come there
        self._ahead: defaultdict[int, int] = defaultdict(lambda: 1)  # units, by sector
        self._asked: set[int] = set()  # sectors, in this round
        self.is_on = False

    # --- taking over

    def note(self, expansions: Iterable[Expansion]) -> None:
        """All boots of whole states; what they came to may be taken over by later rounds."""
        if not self.is_on:
            return
        found: defaultdict[Key, list[Expansion]] = defaultdict(list)
        for expansion in expansions:
            found[expansion.state].append(expansion)
            for child in expansion.children:
                self._states.setdefault(child.key, child)
        for state, each in found.items():
            if any(expansion.looked or expansion.hung for expansion in each):
                continue
            self._booted[state] = each
            for key in _touched(each):
                self._leading[key].add(state)

    def known(self, state: State, nodes: Container[Node]) -> list[Expansion] | None:
        """What booting *state* came to, where that holds still: also that the runs which it was
        joined with were followed, so that *nodes* has their points."""
        booted = self._booted.get(state.key)
        if booted is None:
            return None
        own = {segment.node for each in booted for segment in each.segments}
        last = (each.segments[-1].next for each in booted if each.segments)
        if not all(node is None or node in own or node in nodes for node in last):
            return None
        return [
            replace(
                each,
                path=replace(state.path, read_choice=each.path.read_choice),
                sector=state.sector,
            )
            for each in booted
        ]

    def children(self, expansion: Expansion, seen: Container[Key]) -> Iterator[State]:
        """The states that its cuts come to, but for those *seen*, on the path that leads there."""
        met: set[Key] = set()
        for segment in expansion.segments:
            for edge in segment.edges:
                if edge.key not in seen and edge.key not in met:
                    met.add(edge.key)
                    path = Path(expansion.path.cuts).then(edge.cut)
                    yield replace(self._states[edge.key], path=path)

    def forget(self) -> None:
        """What was booted so far does not hold any more."""
        self._booted.clear()
        self._leading.clear()

    # --- refining

    def refine(self, looks: Iterable[tuple[State, Span]], walked: Walked) -> bool:
        """Keep apart what was looked at. False where nothing is left to be kept apart."""
        changed: set[Key] = set()
        self._asked.clear()
        waiting = deque((state.key, self._widened(state, span)) for state, span in looks)
        while waiting:
            key, spans = waiting.popleft()
            new = [span for span in spans if not _covered(span, self.keep.get(key, ()))]
            if not new:
                continue
            self.keep[key] = tuple(sorted({*self.keep.get(key, ()), *new}))
            changed.add(key)
            waiting += walked.unknown_before(key, new)
        for sector in self._asked:
            self._ahead[sector] *= 2
        for key in changed:
            for state in (*self._leading.pop(key, ()), key):
                self._booted.pop(state, None)
        return bool(changed)

    def _widened(self, state: State, span: Span) -> list[Span]:
        """What of *span* is unknown, and of what follows twice as much in each round: whoever reads
        one unit mostly goes on to the next."""
        unit, spans = state.flash.part.program_unit, []
        for low, high in state.flash.cells.unknown_spans():
            if low < span[1] and span[0] < high:
                begin = max(low, span[0] // unit * unit)
                sector = _sector_of(state.flash.part.sector_starts, begin)
                self._asked.add(sector)
                end = max(-(-span[1] // unit) * unit, begin + unit * self._ahead[sector])
                spans.append((begin, min(high, end)))
        return spans


class Walked:
    """The edges of a round, backwards."""

    def __init__(self, expansions: Iterable[Expansion]) -> None:
        self._edges: defaultdict[Key, set[tuple[Node, tuple[Span, ...]]]] = defaultdict(set)
        self._before: defaultdict[Node, set[Node]] = defaultdict(set)
        self._starts: dict[Node, Key] = {}
        for expansion in expansions:
            if expansion.segments:
                self._starts[expansion.segments[0].node] = expansion.state
            for segment in expansion.segments:
                if segment.next is not None:
                    self._before[segment.next].add(segment.node)
                for edge in segment.edges:
                    if edge.unknown:
                        self._edges[edge.key].add((segment.node, edge.unknown))

    def unknown_before(self, key: Key, spans: list[Span]) -> Iterator[tuple[Key, list[Span]]]:
        """States in whose boots some of *spans* was unknown when a cut came to *key*."""
        for node, unknown in self._edges[key]:
            both = [
                (max(low, begin), min(high, end))
                for low, high in spans
                for begin, end in unknown
                if low < end and begin < high
            ]
            if both:
                yield from ((state, both) for state in self._states_before(node))

    def _states_before(self, node: Node) -> set[Key]:
        met, waiting, found = {node}, [node], set[Key]()
        while waiting:
            node = waiting.pop()
            if node in self._starts:
                found.add(self._starts[node])
            new = self._before[node] - met
            met |= new
            waiting += new
        return found


def _touched(expansions: Iterable[Expansion]) -> set[Key]:
    """States that cuts of these boots come to, or would have come to, were they not dissolved."""
    keys = {edge.key for each in expansions for segment in each.segments for edge in segment.edges}
    return keys.union(*(each.dissolved for each in expansions))


def _sector_of(starts: Iterable[int], at: int) -> int:
    return max(start for start in starts if start <= at)


def _covered(span: Span, spans: Iterable[Span]) -> bool:
    return any(low <= span[0] and span[1] <= high for low, high in spans)

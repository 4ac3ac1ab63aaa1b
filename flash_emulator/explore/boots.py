"""Boots states: what a worker does. From a state to its end, with all its cuts on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from flash_emulator.explore.echo import Echo, Stretch, is_same
from flash_emulator.explore.edges import Edges
from flash_emulator.explore.hanging import HungBehind, interrupted
from flash_emulator.explore.path import Path
from flash_emulator.explore.probes import Prober
from flash_emulator.explore.read_choice import Looked, ReadChoice, Ways
from flash_emulator.explore.recorder import Recorder
from flash_emulator.explore.report import SelfCheckFailed
from flash_emulator.explore.side_by_side import Sample, compare
from flash_emulator.explore.states import Expansion, Node, State, start_node
from flash_emulator.watchdog import Hung, beat

_RERUN_EVERY = 32  # states, by the first byte of their key; and the first state of all


class Worker:
    """Boots the states of one batch. *known* are the nodes that need not be gone through again.

    *kinds*: of each kind of states in whose place another is booted, one is compared with it.
    """

    def __init__(self, prober: Prober, known: Iterable[Node], *, kinds: bool = False) -> None:
        self.job = prober.job
        self.known = set(known)
        self._sample = Sample(prober.job.subject, kinds=kinds)
        self._edges = Edges(prober.job, prober.read_set_of, self._sample)

    def expand(self, state: State) -> Iterator[Expansion]:
        """Boot *state*; again in other ways of reading where metastable bits were looked at."""
        ways = Ways(self.job.metastable_modes)
        for read_choice in ways:
            node = start_node(state.key, read_choice)
            if node in self.known:
                continue
            self.known.add(node)
            expansion = Expansion(state.key, read_choice, state.path, state.sector, [], [])
            try:
                looked = self._boot(state, expansion, node)
            except Hung as hung:
                yield interrupted(expansion, node, hung, self.job.boot_s)
                return
            except HungBehind as behind:
                yield behind.expansion
                return
            ways.looked(read_choice, looked)
            expansion.told = self._edges.take_told()
            expansion.left_out = looked.left_out
            self._compare_pairs(expansion)
            yield expansion

    def _boot(self, state: State, expansion: Expansion, node: Node) -> Looked:
        """What it looked at. Where no probe has seen yet that this boot comes to rest, it first
        is left alone: a boot that does not is cut nowhere."""
        read_choice, alone = expansion.read_choice, None
        if not state.path.cuts or not self.job.merge:
            alone = self._alone(state, read_choice, node)
            if alone.endless:
                most = self.job.operations
                alone.segment.violation = ("live", f"no rest after {most} operations of one boot")
                expansion.segments.append(alone.segment)
                return Looked()
        beat()
        recorder = Recorder(self._edges, self.known, expansion, node)
        recorder.run(state, read_choice)
        if state.key[0] % _RERUN_EVERY == 0 or not state.path.cuts:
            self._compare(expansion, alone or self._alone(state, read_choice, node))
        return Looked.by(recorder.flash)

    def _alone(self, state: State, read_choice: ReadChoice, node: Node) -> Echo:
        """The same boot without any cut, up to its first point; in a brute search to its end."""
        beat()
        echo = Echo(node, self.job.operations, to_end=not self.job.merge)
        echo.start(self.job.subject, state, read_choice)
        return echo

    def _compare(self, first: Expansion, echo: Echo) -> None:
        """The same state again, without its cuts: it must do the same up to the first point."""
        if first.looked:
            return
        if not is_same(first.segments[0], echo.segment):
            raise _keeps_something(first.path, first.segments[0], echo.segment)
        first.reruns += 1

    def _compare_pairs(self, expansion: Expansion) -> None:
        """States that cuts in this boot left, and what is booted in their place."""
        where = replace(expansion.path, read_choice=expansion.read_choice)
        expansion.represented, pairs = self._sample.take()
        for pair in pairs:
            at = f"{where} and a cut {pair.cut}"
            compare(self.job.subject, pair, self.job.operations, at)
            expansion.compared += 1

    def again(self, state: State, first: Stretch) -> None:
        """Boot *state* once more, long after it was booted *first*. Raises SelfCheckFailed."""
        echo = self._alone(state, ReadChoice(), start_node(state.key, ReadChoice()))
        if not is_same(first, echo.segment) and not echo.endless:
            raise _keeps_something(state.path, first, echo.segment)


def _keeps_something(path: Path, first: Stretch, again: Stretch) -> SelfCheckFailed:
    return SelfCheckFailed(
        f"the same state does not do the same twice, after {path}: "
        f"{first.operations} operations, then {again.operations}; the subject keeps "
        "something beside flash and external state, or draws lots"
    )

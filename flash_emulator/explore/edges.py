"""What cuts in one operation lead to, worked out once for each state of the flash."""

from __future__ import annotations

from collections.abc import Sequence

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.explore.contents import Question, Told
from flash_emulator.explore.echo import Echo
from flash_emulator.explore.hanging import HungBehind, interrupted
from flash_emulator.explore.next_boots import NextBoots
from flash_emulator.explore.path import Cut, Path
from flash_emulator.explore.read_choice import Looked, ReadChoice, Ways
from flash_emulator.explore.read_set import ReadSetOf
from flash_emulator.explore.side_by_side import Sample
from flash_emulator.explore.states import Edge, Expansion, Job, Key, State, start_node
from flash_emulator.explore.successors import Successor, Successors
from flash_emulator.subject import Boot, ExternalState
from flash_emulator.watchdog import Hung, beat, calm

_Found = tuple[tuple[Edge, ...], frozenset[Key], frozenset[Question]]
"""Edges, what was dissolved, and what boots behind them ask of units that were not cut there."""

Place = tuple[bytes, tuple[object, ...], tuple[bytes, ...], Operation | None]


class Edges:
    """Those of one batch of states. *told* is of the boot that is under way."""

    def __init__(self, job: Job, read_set_of: ReadSetOf, sample: Sample) -> None:
        self.job = job
        self.sample = sample
        self.told = Told()
        self._read_set_of = read_set_of
        self._known: dict[Place, _Found] = {}
        self._sent: set[Key] = set()

    def take_told(self) -> Told:
        """What was told apart since this was asked last."""
        told, self.told = self.told, Told()
        return told

    def of(
        self, flash: EmulatedFlash, boot: Boot, operation: Operation | None, expansion: Expansion
    ) -> tuple[Edge, ...]:
        """All cuts in *operation* (None: before it); new states go into *expansion*.

        The same flash with the same external state has the same successors, so they are worked out
        once: all that decides what a cut leaves is in the place.
        """
        ways = boot.surviving()
        externals = tuple(external.digest for _, external in ways)
        place = (flash.state_digest(), flash.settings(), externals, operation)
        found = self._known.get(place)
        if found is None:
            found = self._known[place] = self._found(flash, ways, operation, expansion)
        edges, dissolved, late = found
        expansion.dissolved |= dissolved
        expansion.late |= late
        return edges

    def _found(
        self,
        flash: EmulatedFlash,
        ways: Sequence[tuple[str, ExternalState]],
        operation: Operation | None,
        expansion: Expansion,
    ) -> _Found:
        unknown = tuple(flash.cells.unknown_spans())
        successors = self._successors(flash, ways)
        found = successors.still() if operation is None else successors.of(operation)
        edges, late = list[Edge](), set[Question]()
        for successor in found:
            low, high = units = successors.units_of(operation, successor.cut)
            self._send(successor, expansion)
            edges.append(Edge(successor.key, successor.cut, successor.merged, unknown, units))
            late.update(asked for asked in successor.asked if not low <= asked[0] < high)
        return tuple(edges), frozenset(successors.boots.dissolved), frozenset(late)

    def _successors(
        self, flash: EmulatedFlash, ways: Sequence[tuple[str, ExternalState]]
    ) -> Successors:
        boots = NextBoots(self.job, self._read_set_of, ways)
        return Successors(flash, boots, self.sample, told=self.told)

    def _send(self, successor: Successor, expansion: Expansion) -> None:
        beat()
        if successor.key not in self._sent:
            self._sent.add(successor.key)
            expansion.children.append(
                State(successor.key, successor.flash, successor.external, Path())
            )

    def hung_behind(
        self, flash: EmulatedFlash, boot: Boot, operation: Operation | None, path: Path, at: Cut
    ) -> None:
        """A probe hung behind a cut in *operation*: raises HungBehind for the first that does."""
        calm()
        surviving = boot.surviving()
        successors = self._successors(flash, surviving)
        for successor in successors.each(operation):
            cut = placed(successor.cut, at, operation, ReadChoice.of(flash))
            state = State(successor.key, successor.flash, successor.external, path.then(cut))
            ways = Ways(self.job.metastable_modes)
            for read_choice in ways:
                beat()
                expansion = Expansion(state.key, read_choice, state.path, -1, [], [])
                node = start_node(state.key, read_choice)
                echo = Echo(node, 1 << 60)
                try:
                    echo.start(self.job.subject, state, read_choice)
                except Hung as hung:
                    raise HungBehind(interrupted(expansion, node, hung, self.job.boot_s)) from None
                ways.looked(read_choice, Looked.by(echo.flash))


def placed(cut: Cut, at: Cut, operation: Operation | None, read_choice: ReadChoice) -> Cut:
    """*cut*, which counts from the operation that was cut, as one of its boot."""
    number = at.operation + cut.operation if operation else 0
    return Cut(  # not ``replace``: it is done for every edge
        number,
        cut.outcome,
        at.moment,
        cut.way,
        read_choice,
        cut.spoils_options,
        cut.decay,
        cut.draw,
        cut.words,
    )

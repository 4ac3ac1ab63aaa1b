"""States and their representatives, booted side by side; and one closure with and without."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from flash_emulator import CutAt, EmulatedFlash, Operation, Outcome, PowerLoss
from flash_emulator.array.pages import Slice
from flash_emulator.explore import ExternalState, Limits, Report, Search, SearchOptions
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.states import Expansion, State
from mcu_updater.core.journal import CRC_AT, HEADER_SIZE, TURN_AT
from mcu_updater.powerloss.catalogue import filled, scenario
from mcu_updater.powerloss.equivalence.trailers import Half
from mcu_updater.powerloss.subject import BoardSubject, ModuleAndCloud
from tests.thorough import THOROUGH

SMALL = 700  # bytes of an image
MOST = 60  # states of the search that they are taken from, in an ordinary run


class Explicit(BoardSubject):
    """Nothing is as good as something else."""

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        return flash


def closure(
    subject: BoardSubject, cuts: int | None = None, most: int | None = None
) -> tuple[Report, list[State]]:
    states: dict[bytes, State] = {}

    def observe(expansion: Expansion) -> None:
        for child in expansion.children:
            states.setdefault(child.key, child)

    options = SearchOptions(limits=Limits(cuts=cuts, states=most))
    report = Search(subject, subject.flash, subject.external, options, observer=observe).run()
    return report, list(states.values())


@dataclass
class Following:
    """One boot: what it does, and what every cut in it leaves, as the subject represents it.

    *same_places*: then outcomes that are drawn by place are told, too; not those of erases, for
    what they leave of unknown cells is unknown.
    """

    subject: BoardSubject
    flash: EmulatedFlash
    same_places: bool
    done: list[object] = field(default_factory=list)

    def boot(self, external: ExternalState) -> list[object]:
        self.flash.watch = self
        assert isinstance(external, ModuleAndCloud)
        run = self.subject.boot(self.flash, external).run()
        while True:
            try:
                next(run)
            except StopIteration as stop:
                self.done.append(stop.value)
                return self.done

    def operation(self, operation: Operation) -> None:
        where = operation.address if self.same_places else None
        self.done.append((operation.kind, where, operation.done))
        drawn = self.same_places and operation.kind == "program"
        for outcome in Outcome if drawn else (Outcome.BEFORE, Outcome.AFTER):
            for at in {1, operation.done}:
                self.done.append(self._left(operation, at, outcome))

    def _left(self, operation: Operation, at: int, outcome: Outcome) -> object:
        twin = self.flash.fork()
        twin.supply = CutAt(at, outcome)
        with pytest.raises(PowerLoss):
            twin.repeat(operation)
        twin.interrupted = None
        twin.cells.fade()
        return told(self.subject, self.subject.representative(twin))

    def moment(self) -> None:
        """Nothing."""

    def read(self, offset: int, size: int) -> None:
        """Nothing."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """Nothing."""


def told(subject: BoardSubject, flash: EmulatedFlash) -> object:
    """All that the flash holds, but for the turns of its trailers and the order of their halves."""
    twin, size = flash.fork(), flash.part.program_unit
    for half in halves(subject):
        for where in (TURN_AT, CRC_AT):
            twin.cells.forget((half.offset + where) // size * size, max(size, 4))
    trailers = [sorted(cells_of(twin, half) for half in both) for both in subject.trailers]
    for half in halves(subject):
        twin.cells.forget(half.offset, half.end - half.offset)
    return trailers, twin.digest()


def cells_of(flash: EmulatedFlash, half: Half) -> str:
    """What they hold, as text; units counted from the half's first."""
    cells, size = flash.cells, flash.part.program_unit
    first, count = half.offset // size, (half.end - half.offset) // size
    raw = [(unit - first, cells.raw(unit)) for unit in cells.raw_units(half.offset, count * size)]
    held = [
        (unit - first, sorted(slices))
        for unit, slices in cells.excluded().items()
        if first <= unit < first + count
    ]
    data = cells.raw_data(half.offset, count * size)
    return repr((data, cells.marks(first, count), raw, held))


def halves(subject: BoardSubject) -> list[Half]:
    return [half for both in subject.trailers for half in both]


def headers(subject: BoardSubject, flash: EmulatedFlash) -> list[bytes]:
    """The first units of all halves: they tell whether halves were exchanged or turned."""
    return [flash.cells.raw_data(half.offset, HEADER_SIZE) for half in halves(subject)]


@pytest.mark.parametrize(
    ("part", "name", "cuts", "step"),
    [
        ("STM32L476xG", "good", 1, 16),
        pytest.param("STM32L476xG", "crash", 1, 24, marks=pytest.mark.thorough),
        pytest.param("STM32F103x8", "good", 1, 28, marks=pytest.mark.thorough),
        pytest.param("STM32F429xI", "pieces", 0, 12, marks=pytest.mark.thorough),
        pytest.param("STM32H743xI", "good", 0, 5, marks=pytest.mark.thorough),
    ],
)
def test_boots_of_what_is_taken_for_alike_do_the_same(
    part: str, name: str, cuts: int, step: int
) -> None:
    """States that cuts leave, and are not their own representatives.

    Operations, how they end, and what is left by cuts in each of them.
    """
    subject = BoardSubject(scenario(name, filled(part, SMALL, "bin")))
    _, states = closure(Explicit(subject.scenario), cuts, None if THOROUGH else MOST)
    compared = 0
    for state in states[:: 1 if THOROUGH else step]:
        twin = subject.representative(state.flash)
        if twin.digest() == state.flash.digest():
            continue
        compared += 1
        same = headers(subject, twin) == headers(subject, state.flash)
        here = Following(subject, powered(state.flash, ReadChoice()), same)
        there = Following(subject, powered(twin, ReadChoice()), same)
        assert here.boot(state.external) == there.boot(state.external), state.path
    assert compared > 3


@pytest.mark.thorough
@pytest.mark.parametrize("part", ["STM32L476xG"])
def test_the_closure_without_it_comes_to_the_same_and_is_larger(part: str) -> None:
    target = scenario("good", filled(part, SMALL, "bin"))
    with_it, _ = closure(BoardSubject(target))
    without, _ = closure(Explicit(target))
    assert with_it.complete
    assert without.complete
    assert with_it.states < 0.5 * without.states
    assert set(with_it.ends) == set(without.ends)
    assert with_it.operations_most == without.operations_most
    assert (with_it.violation_count, without.violation_count) == (0, 0)

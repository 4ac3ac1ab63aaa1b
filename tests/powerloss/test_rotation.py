"""Trailers that differ in half and turn only: what is taken for alike, and that it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from flash_emulator import CutAt, EmulatedFlash, Operation, Outcome, PowerLoss, load_part
from flash_emulator.cells import Slice
from flash_emulator.explore import Limits, Options, Report, Rest, Search
from flash_emulator.explore.reads import Reads, powered
from flash_emulator.explore.states import Expansion, State
from mcu_updater.board import Board
from mcu_updater.journal import (
    CRC_AT,
    HEADER_SIZE,
    TURN_AT,
    TURNS,
    Phase,
    Snapshot,
    decode_header,
    encode_header,
    with_turn,
)
from mcu_updater.powerloss.catalogue import filled, scenario
from mcu_updater.powerloss.rotation import Trailer, trailers_of, turned_back
from mcu_updater.powerloss.subject import BoardSubject, ModuleRest

SMALL = 700  # bytes of an image

SNAPSHOT = Snapshot(Phase.CONFIRMED, 3, "mcu", "2.0.0")
NEXT = Snapshot(Phase.PLANNED, 5, "mcu", "3.0.0")


@pytest.fixture
def board() -> Board:
    return Board.new(load_part("STM32L476xG"), "1.0.0")


def places(board: Board) -> tuple[Trailer, ...]:
    return trailers_of(board.device, board.layout)


def written(board: Board, times: int, last: Snapshot = SNAPSHOT) -> EmulatedFlash:
    """Bank B's journal, replaced so often."""
    journal = board.banks()[1].journal
    for _ in range(times):
        journal.snapshot(SNAPSHOT)
    journal.snapshot(last)
    return board.device


@pytest.mark.parametrize("times", range(1, 9))
def test_a_settled_journal_is_turned_back_to_half_0_and_turn_0(board: Board, times: int) -> None:
    flash = written(board, times)
    before = board.banks()[1].journal.read()
    twin = turned_back(flash, places(board))
    after = board.banks_of(twin)[1].journal.read()
    assert (before.half, before.turn) == (times % 2, times % TURNS)
    assert (after.half, after.turn) == (0, 0)
    assert (after.snapshot, after.settled) == (before.snapshot, True)
    assert board.banks()[1].journal.read() == before  # the flash itself is as it was
    assert board.banks_of(twin)[0].journal.read() == board.banks()[0].journal.read()


def test_all_journals_that_say_the_same_come_to_the_same() -> None:
    digests = set()
    for times in range(1, 9):
        board = Board.new(load_part("STM32L476xG"), "1.0.0")
        twin = turned_back(written(board, times), places(board))
        for trailer in places(board):  # the void half holds old records, which nobody reads
            twin.cells.forget(trailer.halves[1], trailer.size)
        digests.add(twin.digest())
    assert len(digests) == 1


def test_what_is_in_half_0_and_turn_0_is_not_touched(board: Board) -> None:
    flash = board.device
    assert turned_back(flash, places(board)) is flash


@pytest.mark.parametrize("old", [b"", encode_header(NEXT, turn=2)], ids=["blank", "a header"])
def test_the_answer_is_the_same_when_a_search_has_forgotten_what_nobody_reads(
    board: Board, old: bytes
) -> None:
    flash, trailer = written(board, 2), places(board)[1]
    flash.preload(flash.part.base + trailer.halves[1], old)
    knowing, forgetful = flash.fork(), flash.fork()
    forgetful.forget(flash.part.base + trailer.halves[1], trailer.size)
    twins = [turned_back(each, places(board)) for each in (knowing, forgetful)]
    for twin in twins:
        assert board.banks_of(twin)[1].journal.read().turn == 0
        twin.cells.forget(trailer.halves[1], trailer.size)
    assert twins[0].digest() == twins[1].digest()


def test_nothing_is_turned_where_both_halves_have_a_header(board: Board) -> None:
    flash = written(board, 1)
    half_0 = flash.part.base + places(board)[1].halves[0]
    flash.preload(half_0, encode_header(NEXT, turn=2))
    assert turned_back(flash, places(board)) is flash


def test_nothing_is_turned_where_the_other_half_may_have_a_header(board: Board) -> None:
    """Its last unit is weak: it may read as the end of a header."""
    flash = written(board, 1)
    last = flash.part.base + places(board)[1].halves[0] + HEADER_SIZE - flash.part.program_unit
    flash.supply = CutAt(1, Outcome.WEAK)
    with pytest.raises(PowerLoss):
        flash.program(last, encode_header(NEXT)[-flash.part.program_unit :])
    assert turned_back(flash, places(board)) is flash


def test_nothing_is_turned_where_the_turn_is_not_whole(board: Board) -> None:
    flash = written(board, 1)
    flash.flip(flash.part.base + places(board)[1].halves[1] + TURN_AT // 8 * 8, 3)
    assert turned_back(flash, places(board)) is flash


def test_nothing_is_turned_where_a_cell_is_stuck(board: Board) -> None:
    flash = written(board, 1)
    flash.stick(flash.part.base + places(board)[1].halves[0], 1)
    assert turned_back(flash, places(board)) is flash


def test_halves_of_different_sectors_are_left_alone() -> None:
    board = Board.new(load_part("STM32F407xG"), "1.0.0")
    assert len(trailers_of(board.device, board.layout)) == 2  # storage A has 16 and 64 KiB


def test_a_header_with_another_turn_is_the_same_header() -> None:
    raw = encode_header(SNAPSHOT, turn=3)
    assert with_turn(raw, 0) == encode_header(SNAPSHOT, turn=0)
    assert decode_header(with_turn(raw, 1)) == SNAPSHOT


# --- that they are alike: boots of states and of their representatives, side by side


class Explicit(BoardSubject):
    """Nothing is as good as something else."""

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        return flash


def closure(subject: BoardSubject, cuts: int | None = None) -> tuple[Report, list[State]]:
    states: dict[bytes, State] = {}

    def observe(expansion: Expansion) -> None:
        for child in expansion.children:
            states.setdefault(child.key, child)

    options = Options(limits=Limits(cuts=cuts))
    report = Search(subject, subject.flash, subject.rest, options, observer=observe).run()
    return report, list(states.values())


@dataclass
class Following:
    """One boot: what it does, and what every cut in it leaves. ``exchanged``: trailers whose
    halves have changed places, so that what it does is told as if they had not."""

    subject: BoardSubject
    flash: EmulatedFlash
    exchanged: list[Trailer]
    done: list[object] = field(default_factory=list)

    def boot(self, rest: Rest) -> list[object]:
        self.flash.watch = self
        assert isinstance(rest, ModuleRest)
        run = self.subject.boot(self.flash, rest).run()
        while True:
            try:
                next(run)
            except StopIteration as stop:
                self.done.append(stop.value)
                return self.done

    def operation(self, operation: Operation) -> None:
        self.done.append((operation.kind, self._place(operation.address), operation.done))
        for outcome in (Outcome.BEFORE, Outcome.AFTER):  # others are drawn by place
            for at in {1, operation.done}:
                self.done.append(self._left(operation, at, outcome))

    def _left(self, operation: Operation, at: int, outcome: Outcome) -> bytes:
        """Digest of what a cut leaves, halves exchanged back, without turns."""
        twin = self.flash.fork()
        twin.supply = CutAt(at, outcome)
        with pytest.raises(PowerLoss):
            twin.repeat(operation)
        size = twin.part.program_unit
        for trailer in self.exchanged:
            twin.cells.exchange(*trailer.halves, trailer.size)
        for trailer in self.subject.trailers:
            for half in trailer.halves:
                for where in (TURN_AT, CRC_AT):
                    twin.cells.forget((half + where) // size * size, max(size, 4))
        return twin.digest()

    def _place(self, address: int) -> int:
        offset = address - self.flash.part.base
        for trailer in self.exchanged:
            first, second = trailer.halves
            for here, there in ((first, second), (second, first)):
                if here <= offset < here + trailer.size:
                    return offset - here + there
        return offset

    def moment(self) -> None:
        """Nothing."""

    def read(self, offset: int, size: int) -> None:
        """Nothing."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """Nothing."""


def exchanged(subject: BoardSubject, flash: EmulatedFlash) -> Iterator[Trailer]:
    """The trailers whose halves ``turned_back`` exchanges: one alone at a time is tried."""
    size = flash.part.program_unit
    for trailer in subject.trailers:
        twin = turned_back(flash, [trailer])
        first = trailer.halves[0] // size
        if twin is not flash and twin.cells.marks(first, HEADER_SIZE // size) != flash.cells.marks(
            first, HEADER_SIZE // size
        ):
            yield trailer


@pytest.mark.parametrize(("part", "cuts", "step"), [("STM32L476xG", 1, 4), ("STM32F103x8", 0, 3)])
def test_boots_of_what_is_taken_for_alike_do_the_same(part: str, cuts: int, step: int) -> None:
    """States that cuts leave, and are not their own representatives, with nothing turned back.

    Operations, how they end, and what is left by cuts in each of them, but for the turns.
    """
    subject = Explicit(scenario("good", filled(part, SMALL, "bin")))
    _, states = closure(subject, cuts=cuts)
    compared = 0
    for state in states[::step]:
        twin = turned_back(state.flash, subject.trailers)
        if twin is state.flash:
            continue
        compared += 1
        here = Following(subject, powered(state.flash, Reads()), [])
        back = list(exchanged(subject, state.flash))
        there = Following(subject, powered(twin, Reads()), back)
        assert here.boot(state.rest) == there.boot(state.rest), state.path
    assert compared > 10


def test_the_closure_without_it_comes_to_the_same_and_is_larger() -> None:
    target = scenario("good", filled("STM32L476xG", SMALL, "bin"))
    with_it, _ = closure(BoardSubject(target))
    without, _ = closure(Explicit(target))
    assert with_it.complete
    assert without.complete
    assert with_it.states < 0.7 * without.states
    assert set(with_it.ends) == set(without.ends)
    assert with_it.operations_most == without.operations_most
    assert (with_it.violation_count, without.violation_count) == (0, 0)

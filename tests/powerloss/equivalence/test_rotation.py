"""Trailers that differ in half and turn only: what is taken for alike, and that it is."""

from __future__ import annotations

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, load_part
from mcu_updater.board import Board
from mcu_updater.core.journal import (
    HEADER_SIZE,
    TURN_AT,
    TURNS,
    Phase,
    Snapshot,
    decode_header,
    encode_header,
    with_turn,
)
from mcu_updater.powerloss.equivalence.rotation import turned_back
from mcu_updater.powerloss.equivalence.trailers import Half, Trailer, trailers_of

SNAPSHOT = Snapshot(Phase.CONFIRMED, 3, "mcu", "2.0.0")
NEXT = Snapshot(Phase.PLANNED, 5, "mcu", "3.0.0")


@pytest.fixture
def board() -> Board:
    return Board.new(load_part("STM32L476xG"), "1.0.0")


def places(board: Board) -> tuple[Trailer, ...]:
    return trailers_of(board.device, board.layout)


def forget(flash: EmulatedFlash, half: Half) -> None:
    flash.cells.forget(half.offset, half.end - half.offset)


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
            forget(twin, trailer[1])
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
    flash.preload(flash.part.base + trailer[1].offset, old)
    knowing, forgetful = flash.fork(), flash.fork()
    forget(forgetful, trailer[1])
    twins = [turned_back(each, places(board)) for each in (knowing, forgetful)]
    for twin in twins:
        assert board.banks_of(twin)[1].journal.read().turn == 0
        forget(twin, trailer[1])
    assert twins[0].digest() == twins[1].digest()


def test_nothing_is_turned_where_both_halves_have_a_header(board: Board) -> None:
    flash = written(board, 1)
    half_0 = flash.part.base + places(board)[1][0].offset
    flash.preload(half_0, encode_header(NEXT, turn=2))
    assert turned_back(flash, places(board)) is flash


def test_nothing_is_turned_where_the_other_half_may_have_a_header(board: Board) -> None:
    """Its last unit is weak: it may read as the end of a header."""
    flash = written(board, 1)
    last = flash.part.base + places(board)[1][0].offset + HEADER_SIZE - flash.part.program_unit
    flash.supply = CutAt(1, Outcome.WEAK)
    with pytest.raises(PowerLoss):
        flash.program(last, encode_header(NEXT)[-flash.part.program_unit :])
    assert turned_back(flash, places(board)) is flash


def test_nothing_is_turned_where_the_turn_is_not_whole(board: Board) -> None:
    flash = written(board, 1)
    flash.flip(flash.part.base + places(board)[1][1].offset + TURN_AT // 8 * 8, 3)
    assert turned_back(flash, places(board)) is flash


def test_nothing_is_turned_where_a_cell_is_stuck(board: Board) -> None:
    flash = written(board, 1)
    flash.stick(flash.part.base + places(board)[1][0].offset, 1)
    assert turned_back(flash, places(board)) is flash


def test_halves_of_different_sectors_are_left_alone() -> None:
    """Storage A of the F407 has halves of 16 and 64 KiB."""
    board = Board.new(load_part("STM32F407xG"), "1.0.0")
    board.banks()[0].journal.snapshot(SNAPSHOT)
    assert board.banks()[0].journal.read().half == 1
    twin = turned_back(board.device, places(board))
    assert board.banks_of(twin)[0].journal.read().half == 1


def test_a_header_with_another_turn_is_the_same_header() -> None:
    raw = encode_header(SNAPSHOT, turn=3)
    assert with_turn(raw, 0) == encode_header(SNAPSHOT, turn=0)
    assert decode_header(with_turn(raw, 1)) == SNAPSHOT

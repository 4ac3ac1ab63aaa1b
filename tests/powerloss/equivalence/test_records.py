"""Records that are surely not written: which are taken for blank, and which are not."""

from __future__ import annotations

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, SteadySupply, load_part
from mcu_updater.board import Board
from mcu_updater.core.journal import JournalState, Phase, Record, Snapshot
from mcu_updater.powerloss.equivalence.records import blanked
from mcu_updater.powerloss.equivalence.trailers import Trailer, placed, trailers_of

VERIFIED = Snapshot(Phase.VERIFIED, 3, "mcu", "2.0.0")
LOADING = Snapshot(Phase.LOADING, 3, "mcu", "2.0.0")
UNITS = 4  # of a record


@pytest.fixture
def board() -> Board:
    """One with four units to a record."""
    return Board.new(load_part("STM32F103x8"), "1.0.0")


def places(board: Board) -> tuple[Trailer, ...]:
    return trailers_of(board.device, board.layout)


def cut(
    board: Board, snapshot: Snapshot, record: Record, at: int, outcome: Outcome
) -> JournalState:
    """Bank B's journal: the second of two SECTOR records, or the only other record, is cut."""
    journal = board.banks()[1].journal
    after = journal.snapshot(snapshot)
    index = 0
    if record is Record.SECTOR:
        journal.record(after, record, 0)
        index = 1
    board.device.supply = CutAt(at, outcome)
    with pytest.raises(PowerLoss):
        journal.record(after, record, index)
    board.device.supply = SteadySupply()
    board.device.power_on()
    return journal.read()


def blank(board: Board, flash: EmulatedFlash, record: Record, index: int, of: Snapshot) -> bool:
    """Whether the record's place in bank B's journal is."""
    half = board.banks()[1].journal.read().half
    assert half is not None
    at, wanted = placed(flash, places(board)[2][half], record, index, of)
    unit = flash.part.program_unit
    return flash.cells.virgin_run(at // unit, len(wanted) // unit) == UNITS


@pytest.mark.parametrize(("record", "of"), [(Record.SWITCHED, VERIFIED), (Record.SECTOR, LOADING)])
@pytest.mark.parametrize(
    ("at", "outcome"), [(1, Outcome.TORN), (2, Outcome.BEFORE), (2, Outcome.WEAK)]
)
def test_one_that_lacks_a_unit_is_blank(
    board: Board, record: Record, of: Snapshot, at: int, outcome: Outcome
) -> None:
    before = cut(board, of, record, at, outcome)
    index = int(record is Record.SECTOR)
    twin = blanked(board.device, places(board))
    assert not blank(board, board.device, record, index, of)
    assert blank(board, twin, record, index, of)
    assert board.banks_of(twin)[1].journal.read() == before


@pytest.mark.parametrize(("record", "of"), [(Record.SWITCHED, VERIFIED), (Record.SECTOR, LOADING)])
@pytest.mark.parametrize("outcome", [Outcome.WEAK, Outcome.AFTER])
def test_one_that_may_read_as_written_stays(
    board: Board, record: Record, of: Snapshot, outcome: Outcome
) -> None:
    cut(board, of, record, UNITS, outcome)
    assert blanked(board.device, places(board)) is board.device


def test_settled_is_blanked_in_a_half_that_counts_for_being_the_only_one(board: Board) -> None:
    journal = board.banks()[1].journal
    journal.snapshot(VERIFIED)
    at, wanted = placed(board.device, places(board)[2][0], Record.SETTLED, 0, VERIFIED)
    unit = board.device.part.program_unit
    board.device.cells.erase(at, len(wanted))
    board.device.program(board.device.part.base + at, wanted[: 2 * unit])
    twin = blanked(board.device, places(board))
    assert blank(board, twin, Record.SETTLED, 0, VERIFIED)
    read = board.banks_of(twin)[1].journal.read()
    assert (read.snapshot, read.settled) == (VERIFIED, False)


def test_what_the_phase_does_not_have_is_not_touched(board: Board) -> None:
    """The place of SWITCHED behind a LOADING header is that of a SECTOR record, and so on."""
    cut(board, VERIFIED, Record.FAILED, 2, Outcome.BEFORE)
    assert blanked(board.device, places(board)) is board.device


def test_nothing_is_blanked_where_a_cell_is_stuck(board: Board) -> None:
    cut(board, VERIFIED, Record.SWITCHED, 2, Outcome.BEFORE)
    board.device.stick(board.device.part.base + places(board)[2][0].offset, 1)
    assert blanked(board.device, places(board)) is board.device

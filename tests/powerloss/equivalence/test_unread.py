"""What the journal does not read is forgotten; what it reads is not."""

from __future__ import annotations

import pytest

from flash_emulator import EmulatedFlash, UnknownContent, load_part
from mcu_updater.board import Board
from mcu_updater.core.journal import HEADER_SIZE, JournalState, Package, Phase, Record, Snapshot
from mcu_updater.powerloss.equivalence.trailers import Half, placed, trailers_of
from mcu_updater.powerloss.equivalence.unread import without_unread

CONFIRMED = Snapshot(Phase.CONFIRMED, 3, "mcu", "2.0.0")
VERIFIED = Snapshot(Phase.VERIFIED, 3, "mcu", "2.0.0")
PIECE = Snapshot(
    Phase.LOADING,
    3,
    "mcu",
    "2.0.0",
    package=Package(9000, bytes(16), bytes(32)),
    sectors_done=1,
    piece_start=4096,
    checkpoint=b"state of a decoder",
)


@pytest.fixture(params=["STM32L476xG", "STM32F103x8"])
def board(request: pytest.FixtureRequest) -> Board:
    return Board.new(load_part(request.param), "1.0.0")


def halves(board: Board, flash: EmulatedFlash) -> tuple[Half, Half]:
    """That of bank B's journal which counts, and the other one."""
    trailer = trailers_of(flash, board.layout)[-1]
    half = board.banks_of(flash)[1].journal.read().half
    assert half is not None
    return trailer[half], trailer[1 - half]


def thinned(board: Board) -> EmulatedFlash:
    return without_unread(board.device, trailers_of(board.device, board.layout))


def unknown(flash: EmulatedFlash, low: int, high: int) -> bool:
    return any(begin <= low and high <= end for begin, end in flash.cells.unknown_spans())


@pytest.mark.parametrize("of", [CONFIRMED, VERIFIED, PIECE], ids=lambda of: of.phase.name)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_the_journal_reads_the_same(board: Board, of: Snapshot, times: int) -> None:
    for _ in range(times):
        board.banks()[1].journal.snapshot(of)
    before = [bank.journal.read() for bank in board.banks()]
    assert before[1].snapshot == of
    assert [bank.journal.read() for bank in board.banks_of(thinned(board))] == before


def test_a_void_half_is_forgotten(board: Board) -> None:
    for _ in range(2):
        board.banks()[1].journal.snapshot(CONFIRMED)
    twin = thinned(board)
    _, void = halves(board, twin)
    assert unknown(twin, void.offset, void.end)
    with pytest.raises(UnknownContent):
        twin.read(twin.part.base + void.offset, 8)


def test_behind_settled_nothing_is_known_where_no_record_follows(board: Board) -> None:
    board.banks()[1].journal.snapshot(CONFIRMED)
    twin = thinned(board)
    counts, _ = halves(board, twin)
    at, settled = placed(twin, counts, Record.SETTLED, 0, CONFIRMED)
    assert unknown(twin, at + len(settled), counts.end)
    assert twin.cells.is_known(counts.offset, HEADER_SIZE + len(settled))


def test_records_of_a_trial_stay(board: Board) -> None:
    journal = board.banks()[1].journal
    after = journal.snapshot(VERIFIED)
    for record, index in ((Record.SWITCHED, 0), (Record.ATTEMPT, 0), (Record.ATTEMPT, 1)):
        journal.record(after, record, index)
    read: JournalState = board.banks_of(thinned(board))[1].journal.read()
    assert (read.phase, read.attempts, read.failed) == (Phase.TRIAL, 2, False)


def test_sector_records_end_with_the_first_that_is_not_there(board: Board) -> None:
    journal = board.banks()[1].journal
    after = journal.snapshot(PIECE)
    journal.record(after, Record.SECTOR, 1)
    journal.record(after, Record.SECTOR, 3)  # nobody reads it: the one before is missing
    twin = thinned(board)
    assert board.banks_of(twin)[1].journal.read().sectors_done == 2
    counts, _ = halves(board, twin)
    at, missing = placed(twin, counts, Record.SECTOR, 2, PIECE)
    assert twin.cells.is_known(at, len(missing))
    assert unknown(twin, at + len(missing), counts.checkpoint)


def test_a_half_with_a_stuck_cell_is_left_as_it_is(board: Board) -> None:
    board.banks()[1].journal.snapshot(CONFIRMED)
    counts, _ = halves(board, board.device)
    board.device.stick(board.device.part.base + counts.offset, 1)
    twin = thinned(board)
    assert twin.cells.is_known(counts.offset, counts.end - counts.offset)

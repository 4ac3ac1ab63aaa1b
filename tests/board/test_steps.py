"""At a step boundary a reset must be the same as going on: nothing that matters is in RAM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from flash_emulator import EmulatedFlash
from flash_emulator.array.cells import Cells
from mcu_updater.board import Board, Trial
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core.bank import open_banks
from mcu_updater.core.decide import Module, Step
from mcu_updater.core.events import Booted, Decided, Event, JournalWritten, Progress, Resumed, Work
from mcu_updater.core.journal import Phase, Reason
from mcu_updater.core.session import SessionOutcome
from mcu_updater.core.slot import Layout
from mcu_updater.quectel.emulated.faults import Faults
from tests import worlds

WORLDS: list[tuple[worlds.Format, int | None]] = [
    ("bin", None),
    ("bin", 1500),
    ("hex", None),
    ("s19", 7000),
]
EVERY_WORLD = pytest.mark.parametrize(("fmt", "piece_size"), WORLDS)


@cache
def steps(fmt: worlds.Format, piece_size: int | None) -> tuple[Decided, ...]:
    """What is decided on the way of an update that nothing interrupts."""
    board = worlds.board(fmt, piece_size=piece_size)
    found = tuple(event for event in worlds.run(board) if isinstance(event, Decided))
    assert board.result.outcome is SessionOutcome.UPDATED
    return found


def stop_at(board: Board, number: int, **kw: Any) -> Decided | None:
    """Run until decision *number* (0 is the first) is about to be carried out, and let go."""
    running = board.run(**kw)
    seen = 0
    for event in running:
        if isinstance(event, Decided):
            if seen == number:
                running.close()
                return event
            seen += 1
    return None


def check_updated(board: Board, already: bool) -> None:
    """The new version runs, its image is whole, the module knows; *already* before the reset."""
    assert board.result.outcome is (SessionOutcome.NO_PLAN if already else SessionOutcome.UPDATED)
    decision = board.would_boot()
    assert decision.bank is not None
    bank = board.banks()[decision.bank]
    reading = bank.journal.read()
    assert (reading.version, reading.phase, reading.settled) == ("2.0.0", Phase.CONFIRMED, True)
    data = worlds.image("2.0.0")
    assert bank.slot.read(0, len(data)) == data
    assert board.module.versions == {worlds.COMPONENT: "2.0.0"}


@EVERY_WORLD
def test_a_reset_at_any_step_boundary_costs_nothing(
    fmt: worlds.Format, piece_size: int | None
) -> None:
    """Every sector of the slot is erased once, whenever the reset comes."""
    way = steps(fmt, piece_size)
    assert len(way) >= 14
    sectors = -(-len(worlds.image("2.0.0")) // 2048)
    for number, expected in enumerate(way):
        board = worlds.board(fmt, piece_size=piece_size)
        erased = count_slot_erases(board)
        assert stop_at(board, number) == expected
        worlds.run(board)
        assert len(erased) == len(set(erased)) == sectors, number
        check_updated(board, already=expected.module == Module.SUCCEEDED)


@pytest.mark.parametrize("second", [0, 4, 9])
def test_two_resets_at_step_boundaries_cost_nothing(second: int) -> None:
    for number in range(len(steps("bin", 3000)) - 1):  # at the last one it is over
        board = worlds.board("bin", piece_size=3000)
        stop_at(board, number)
        event = stop_at(board, second)
        done = event is None or event.module == Module.SUCCEEDED
        worlds.run(board)
        check_updated(board, already=done)


@pytest.mark.parametrize("trial", [Trial.FAIL, Trial.CRASH])
def test_a_reset_at_any_step_boundary_brings_the_old_version_back(trial: Trial) -> None:
    board = worlds.board()
    way = [event for event in worlds.run(board, trial=trial) if isinstance(event, Decided)]
    assert board.result.outcome is SessionOutcome.REVERTED
    for number in range(len(way)):
        board = worlds.board()
        stop_at(board, number, trial=trial)
        for _ in range(8):  # the plan is offered again until its retries are used up
            worlds.run(board, trial=trial)
            if board.result.outcome is SessionOutcome.NO_PLAN:
                break
        decision = board.would_boot()
        assert decision.bank is not None
        assert board.banks()[decision.bank].journal.read().version == "1.0.0"
        assert board.module.versions == {worlds.COMPONENT: "1.0.0"}


@EVERY_WORLD
def test_the_journals_say_at_every_step_what_the_event_says(
    fmt: worlds.Format, piece_size: int | None
) -> None:
    board = worlds.board(fmt, piece_size=piece_size)
    checked = 0
    for event in board.run():
        if isinstance(event, Decided):
            running = board.device.mapped_bank
            for twin in twins(board):
                banks = open_banks(twin, twin, board.layout)
                assert banks[running].journal.read().phase.name == event.active
                assert banks[1 - running].journal.read().phase.name == event.inactive
            checked += 1
    assert checked == len(steps(fmt, piece_size))


def twins(board: Board) -> Iterator[EmulatedFlash]:
    """The device as it is now, and as it will be after one and two power-ons."""
    twin = board.device.fork()
    for _ in range(3):
        yield twin
        twin.power_on()


def count_slot_erases(board: Board) -> list[int]:
    """From now on: array offsets of slot sectors as they are erased. The list grows."""
    assert isinstance(board.layout, Layout)
    slot, bank_size = board.layout.slot, board.part.bank_size
    erase, found = board.device.cells.erase, []

    def noted(offset: int, size: int) -> None:
        if slot.offset <= offset % bank_size < slot.offset + slot.size:
            found.append(offset)
        erase(offset, size)

    board.device.cells = Noting(board.device.cells, noted)  # type: ignore[assignment]
    return found


class Noting:
    """Cells that tell of every erase."""

    def __init__(self, cells: Cells, erase: Callable[[int, int], None]) -> None:
        self._cells = cells
        self.erase = erase

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cells, name)


def test_a_sector_that_changes_after_it_was_recorded_is_found_before_it_is_believed() -> None:
    board = worlds.board(piece_size=1500)
    for event in board.run():
        if isinstance(event, Decided) and event.step == "ANNOUNCE":
            pytest.fail("the damaged image was called verified")
        if isinstance(event, Decided) and event.step == "NEXT_PIECE":
            slot = open_banks(board.device, board.device, board.layout)[1].slot
            if any(byte != 0xFF for byte in slot.read(0, 2048)):
                board.device.preload(slot.address + 100, b"\0")
        if isinstance(event, JournalWritten) and event.phase == "FAILED":
            break
    else:
        pytest.fail("the damage was never found")
    snapshot = board.banks()[1].journal.read().snapshot
    assert snapshot is not None
    assert snapshot.reason is Reason.FLASH
    decision = board.would_boot()
    assert decision.bank == 0
    worlds.run(board)
    assert board.result.outcome is SessionOutcome.REJECTED
    worlds.run(board)  # the plan comes again, and nothing of the damage is left behind
    check_updated(board, already=False)


def test_another_package_of_the_same_version_and_length_begins_at_the_first_sector() -> None:
    """The platform replaces a package under its name while its first sectors are written."""
    board = worlds.board()
    for event in board.run():
        if isinstance(event, Progress) and event.work is Work.PROGRAM:
            break
    data = worlds.image("2.0.0")
    other = data[:100] + bytes(byte ^ 0x55 for byte in data[100:116]) + data[116:]
    center = SingleDeviceCloud([Plan(worlds.COMPONENT, "2.0.0", Package(other))])
    board.connect(center, board.module.options, Faults())  # a module that knows of no upgrade
    worlds.run(board)  # it learns the version that runs, without which it is offered nothing
    events = worlds.run(board)
    assert [event.sectors_done for event in events if isinstance(event, Resumed)] == [1]
    assert board.result.outcome is SessionOutcome.UPDATED
    written = [event.phase for event in events if isinstance(event, JournalWritten)]
    assert "FAILED" not in written
    bank = board.banks()[board.would_boot().bank or 0]
    assert bank.slot.read(0, len(other)) == other


def test_every_step_of_an_update_is_one_of_the_table() -> None:
    seen = {event.step for fmt, piece_size in WORLDS for event in steps(fmt, piece_size)}
    assert seen <= {step.name for step in Step}
    assert {"ANSWER", "NOTE_PACKAGE", "LOAD", "NEXT_PIECE", "ANNOUNCE", "SWITCH"} <= seen


def test_the_start_of_an_update_that_was_cut_is_the_ordinary_start() -> None:
    """The first event is a start, whatever is in flash; and the same code runs behind it."""
    for number in range(len(steps("bin", None))):
        board = worlds.board()
        stop_at(board, number)
        events: list[Event] = worlds.run(board)
        assert isinstance(events[0], Booted)
        assert isinstance(events[1], Decided)
        assert events[1].module == Module.UNKNOWN

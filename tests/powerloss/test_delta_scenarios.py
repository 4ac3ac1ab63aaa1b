"""The scenarios with delta packages: what is in them, and that too many erases are found."""

from __future__ import annotations

import pytest

from flash_emulator.explore import Limits, SearchOptions, Violation
from mcu_updater.board import Board
from mcu_updater.core.delta import apply_delta, parse_header
from mcu_updater.core.download import Download
from mcu_updater.core.errors import ImageRejected, UsageError
from mcu_updater.core.events import Booted, JournalWritten, Resumed
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.catalogue import filled, scenario, with_file
from mcu_updater.powerloss.questions.erase_budget import EraseBudget, slots_of, spans_of
from mcu_updater.powerloss.searching import SearchSettings

PART = "STM32L476xG"
DELTAS = ("delta", "delta-pieces", "delta-base")


@pytest.mark.parametrize("name", DELTAS)
@pytest.mark.parametrize("size", [700, 5000])
def test_the_package_is_a_delta_that_saves_something(name: str, size: int) -> None:
    made = scenario(name, filled(PART, size, "bin"))
    package, old, new = made.packages["2.0.0"], made.images["1.0.0"], made.images["2.0.0"]
    assert parse_header(package).target_size == len(new) == size
    assert len(package) < 0.8 * size
    if name == "delta-base":
        with pytest.raises(ImageRejected, match="another base image"):
            apply_delta(package, old)
    else:
        assert apply_delta(package, old) == new


def test_images_of_ones_own_have_no_delta() -> None:
    target = filled(PART, 700, "bin")
    own = with_file(target, filled(PART, 900, "bin").packages["3.0.0"])
    with pytest.raises(UsageError, match="makes images of its own"):
        scenario("delta", own)


@pytest.mark.thorough
def test_a_loader_that_forgets_what_is_done_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image would be right in the end, and each cut would cost all sectors."""
    opened = Download._open_loader

    def forgetful(self, snapshot, piece):
        loader = opened(self, snapshot, piece)
        loader.writer.done = 0
        return loader

    monkeypatch.setattr(Download, "_open_loader", forgetful)
    options = SearchOptions(limits=Limits(cuts=1, violations=1))
    result = campaign.explore(scenario("delta", filled(PART, 2500, "bin")), SearchSettings(options))
    assert result.report is not None, result.error
    first = result.report.violations[0]
    assert first.text == "sector 0 of the slot is done, and is erased again"
    assert len(first.path.cuts) == 1


@pytest.mark.parametrize(
    ("sector", "says"), [(2, "was erased in this boot already"), (1, "is done")]
)
def test_erases_of_one_boot(sector: int, says: str) -> None:
    board = Board(filled(PART, 700, "bin").part)
    thrift = EraseBudget(board.device, slots_of(board), spans_of(board))
    slot = slots_of(board)["B"]
    thrift.event(Booted("A", "1.0.0", None, None, ()))  # type: ignore[arg-type]
    board.device.erase(slots_of(board)["A"][0])  # the slot that runs is another matter
    board.device.erase(slot[0])
    thrift.event(JournalWritten("B", "LOADING"))
    thrift.event(Resumed("B", 2, 0))
    board.device.erase(slot[2])
    thrift.event(JournalWritten("B", "LOADING"))
    board.device.erase(slot[sector])
    with pytest.raises(Violation, match=f"sector {sector} of the slot {says}"):
        thrift.event(JournalWritten("B", "LOADING"))


def test_a_new_upgrade_may_erase_again() -> None:
    board = Board(filled(PART, 700, "bin").part)
    thrift = EraseBudget(board.device, slots_of(board), spans_of(board))
    thrift.event(Booted("A", "1.0.0", None, None, ()))  # type: ignore[arg-type]
    for _ in range(2):
        board.device.erase(slots_of(board)["B"][0])
        thrift.event(JournalWritten("B", "PLANNED"))

"""What is asked of a run: each question finds what it is there for, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.explore import Limits, Path, Report, SearchOptions, Violation
from mcu_updater.board import Board
from mcu_updater.core.boot import ResetCause
from mcu_updater.core.events import Booted, JournalWritten, Progress, Resumed, Work
from mcu_updater.core.journal import Phase, Snapshot
from mcu_updater.core.updater import Updater
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.catalogue import SCENARIOS, filled, scenario
from mcu_updater.powerloss.costs import COSTS
from mcu_updater.powerloss.questions import World
from mcu_updater.powerloss.questions.erase_budget import EraseBudget, slots_of, spans_of
from mcu_updater.powerloss.questions.statements import Statements
from mcu_updater.powerloss.questions.trials import Trials
from mcu_updater.powerloss.questions.truth import Truth
from mcu_updater.powerloss.scenario import Way
from mcu_updater.powerloss.searching import SearchSettings
from mcu_updater.powerloss.subject import BoardSubject, ModuleAndCloud

L4, F4 = "STM32L476xG", "STM32F429xI"
BOOTED = Booted("A", "1.0.0", "run", "power", ())


def world_of(name: str = "good", size: int = 700) -> World:
    made = scenario(name, filled(L4, size, "bin"))
    subject = BoardSubject(made)
    board = made.board()
    return World(made, board, subject.digests, subject.readout_level)


def journal(world: World, phase: Phase, version: str = "2.0.0", **fields: object) -> None:
    """Let bank B's journal say this."""
    bank = world.board.banks()[1]
    snapshot = Snapshot(phase, 2, "STM32", version, **fields)  # type: ignore[arg-type]
    bank.journal.snapshot(snapshot, bank.journal.read())


def statements(world: World) -> Statements:
    asked = Statements(world)
    asked.event(BOOTED)
    return asked


@pytest.mark.parametrize("version", ["2.0.0", "1.0.1", ""])
def test_only_the_version_that_runs_may_be_reported(version: str) -> None:
    asked = statements(world_of())
    asked.sent(b'AT+QIOTMCUVER="STM32","1.0.0"\r')
    asked.sent(b'AT+QIOTMCUVER="OTHER","9.0.0"\r')  # of a component that is not ours
    with pytest.raises(Violation, match=f"version {version} is reported, and 1.0.0 runs"):
        asked.sent(f'AT+QIOTMCUVER="STM32","{version}"\r'.encode())


def test_a_version_on_trial_is_not_reported() -> None:
    world = world_of()
    asked = Statements(world)
    journal(world, Phase.VERIFIED)
    asked.event(Booted("B", "2.0.0", "trial", "software", ()))
    with pytest.raises(Violation, match="the journal calls it VERIFIED"):
        asked.sent(b'AT+QIOTMCUVER="STM32","2.0.0"\r')


def test_the_update_is_announced_of_a_verified_image_only() -> None:
    world = world_of()
    asked = statements(world)
    journal(world, Phase.LOADING)
    with pytest.raises(Violation, match="announced, and the journal calls the image LOADING"):
        asked.sent(b"AT+QIOTUPDATE=3\r")
    journal(world, Phase.VERIFIED)
    asked.sent(b"AT+QIOTUPDATE=3\r")


def test_what_is_no_statement_is_not_asked() -> None:
    statements(world_of()).sent(b"AT+QIOTUPDATE=0\rAT+QIOTMCUVER?\rAT\r")


@pytest.mark.parametrize(
    "event", [Progress(Work.PROGRAM, 700, 0), Resumed("B", 1, 0), JournalWritten("B", "VERIFIED")]
)
def test_what_the_journal_calls_written_must_stand_in_flash(event: object) -> None:
    world = world_of()
    asked = Truth(world)
    asked.event(BOOTED)
    journal(world, Phase.LOADING)
    with pytest.raises(Violation) as found:
        asked.event(event)  # type: ignore[arg-type]
    assert found.value.question == "true"
    slot, image = world.board.banks()[1].slot, world.scenario.images["2.0.0"]
    slot.program(0, image + bytes(-len(image) % slot.unit))
    asked.event(event)  # type: ignore[arg-type]


def test_a_good_image_is_not_called_failed() -> None:
    for name, is_found in (("good", True), ("fail", False), ("reset", False)):
        world = world_of(name)
        asked = Truth(world)
        asked.event(BOOTED)
        journal(world, Phase.FAILED)
        if is_found:
            with pytest.raises(Violation, match="a good image is called FAILED"):
                asked.event(JournalWritten("B", "FAILED"))
        else:
            asked.event(JournalWritten("B", "FAILED"))


@pytest.mark.parametrize("cause", [ResetCause.SOFTWARE, ResetCause.WATCHDOG, ResetCause.UNKNOWN])
def test_a_trial_that_costs_no_attempt_is_found(cause: ResetCause) -> None:
    world = world_of("crash")
    journal(world, Phase.VERIFIED)
    asked = Trials(world)
    asked.event(Booted("B", "2.0.0", "trial", ResetCause.POWER, ()))
    with pytest.raises(Violation, match="the journal has no further attempt: 0"):
        asked.event(Booted("B", "2.0.0", "trial", cause, ()))


def test_an_image_that_failed_does_not_run() -> None:
    world = world_of("crash")
    journal(world, Phase.FAILED)
    with pytest.raises(Violation, match="the journal calls it FAILED"):
        Trials(world).event(Booted("B", "2.0.0", "run", ResetCause.POWER, ()))


def test_a_program_without_a_complete_erase_is_found_where_the_part_does_not_refuse_it() -> None:
    board = Board(load_part(F4))
    flash, slot = board.device, slots_of(board)["B"][0]
    asked = EraseBudget(flash, slots_of(board), spans_of(board))
    asked.event(BOOTED)
    flash.program(slot, b"\x0f" * 4)
    asked.event(JournalWritten("B", "LOADING"))
    flash.program(slot, b"\x0e" * 4)
    with pytest.raises(Violation) as found:
        asked.event(JournalWritten("B", "LOADING"))
    assert found.value.question == "erased"


def explored(name: str, part: str = L4, size: int = 300, **limits: int) -> Report:
    options = SearchOptions(limits=Limits(**limits))
    made = scenario(name, filled(part, size, "bin"))
    result = campaign.explore(made, SearchSettings(options))
    assert result.report is not None, result.error
    return result.report


def test_a_reset_in_mid_operation_is_no_power_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths name it, the bootloader sees its cause, and nothing ages."""
    made = scenario("reset", filled(L4, 300, "bin"))
    subject = BoardSubject(made)
    seen: list[str] = []
    started = Board.start

    def start(board: Board, cause: ResetCause, *arguments: Any, **more: Any) -> object:
        seen.append(cause)
        return started(board, cause, *arguments, **more)

    monkeypatch.setattr(Board, "start", start)
    film = campaign.film(subject, Path.parse("20t~reset.20t"))
    assert film.violation is None
    assert seen[:2] == [ResetCause.POWER, ResetCause.WATCHDOG]
    assert ResetCause.POWER in seen[2:]


def test_after_a_reset_a_weak_unit_is_as_it_was_and_options_are_not_loaded() -> None:
    flash = EmulatedFlash(load_part("STM32L552xE"))
    loaded = dict(flash.options.loaded)
    flash.program_options(**flash.options.swap_to(1))
    reset, off = flash.fork(), flash.fork()
    reset.keep_power()
    assert reset.digest() != off.digest()
    for each in (reset, off):
        each.power_on()
    assert reset.options.loaded == loaded != off.options.loaded
    assert (reset.mapped_bank, off.mapped_bank) == (0, 1)
    reset.power_on()  # and this is a power-on again
    assert reset.mapped_bank == 1


def test_ways_of_a_scenario_are_in_its_rests() -> None:
    made = scenario("replaced", filled(L4, 300, "bin"))
    subject = BoardSubject(made)
    board = subject.board(subject.flash.fork(), subject.external)
    ways = dict(subject.surviving(board))
    assert list(ways) == [way.value for way in made.ways] == ["", "replaced"]
    external = ways["replaced"]
    assert isinstance(external, ModuleAndCloud)
    again = subject.board(subject.flash.fork(), external)
    assert [plan.package.data for plan in again.center.plans] == [made.replacement]
    assert len(made.replacement or b"") == len(made.packages["2.0.0"])
    assert external.digest != ways[""].digest


def test_a_boot_that_runs_a_damaged_image_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcu_updater.core.boot.objection", lambda *_: "")
    found: dict[str, list[str]] = {
        name: [one.question for one in explored(name, cuts=1, violations=1).violations]
        for name in ("confirmed-changed", "trial-changed")
    }
    assert found == {"confirmed-changed": ["safe"], "trial-changed": ["safe"]}


def test_a_floor_that_is_lost_with_the_bank_that_had_it_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bank that runs has the lower floor, and a new plan is journaled over the higher one."""
    monkeypatch.setattr(Updater, "_floor", lambda self: self._read[0].snapshot.floor)
    first = explored("signed-floor", size=600, cuts=1, violations=1).violations[0]
    assert (first.question, first.path.cuts) == ("true", ())
    assert first.text == "bank B is VERIFIED with version 1.0.5, which nobody published"


def test_what_the_list_says_that_a_scenario_costs_is_what_it_costs() -> None:
    assert set(COSTS) <= set(SCENARIOS)
    report = explored("trial-damaged", size=700)
    cost = COSTS["trial-damaged"]
    assert (report.complete, report.violations) == (True, ())
    assert (report.states, report.cuts) == (cost.states, cost.cuts)


def test_ways_are_part_of_what_is_patient() -> None:
    made = scenario("good", filled(L4, 300, "bin"))
    assert made.is_patient
    assert replace(made, ways=(Way.SOON, Way.RESET)).is_patient
    assert not replace(made, ways=(Way.SOON, Way.LATE)).is_patient

"""Whole boots: the C core does what the core in Python does, in every state that cuts lead to.

Ordinary runs take small closures, and of others what one cut leads to; all of ten closures on four
parts is ``make equivalence``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss, load_part
from flash_emulator.explore import Limits, Path, Search, SearchOptions
from flash_emulator.explore.read_choice import ReadChoice
from flash_emulator.explore.states import State
from mcu_updater.board import Board
from mcu_updater.core.bank import Bank
from mcu_updater.core.errors import UsageError
from mcu_updater.core.image_version import SecurityVersion, Version
from mcu_updater.core.journal import Package, Phase, Record
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c import layout, native
from mcu_updater.core_c.mcu import CoreInC
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.powerloss.catalogue import SCENARIOS, filled, names_of, scenario
from mcu_updater.powerloss.images import FORMATS
from mcu_updater.powerloss.in_c import SubjectInC, core_of, subject_of
from mcu_updater.powerloss.scenario import Beginning, Core, Scenario
from mcu_updater.powerloss.subject import BoardSubject
from mcu_updater.quectel.emulated.pipe import ModulePipe
from tests.core_c.equivalence import PARTS, size_of
from tests.core_c.pairs import Compared, compare, first_difference, follow

pytestmark = pytest.mark.judge("gcc")

SMALL = 700
ONE_CUT = SearchOptions(limits=Limits(cuts=1))

CLOSURES = (("STM32L476xG", "verified-alone", "bin"), ("STM32L476xG", "trial-damaged", "hex"))
AFTER_ONE_CUT = (
    ("STM32L476xG", "stuck", "s19"),
    ("STM32H743xI", "good", "bin"),
)


def made(part: str, name: str, fmt: str, core: Core = Core.PYTHON) -> Scenario:
    target = filled(part, size_of(part, name, SMALL), fmt)  # type: ignore[arg-type]
    return scenario(name, target, core=core)


def agreed(found: Compared) -> Compared:
    assert not [str(each) for each in found.differences]
    assert found.boots >= found.states > 1
    assert found.operations > found.boots
    return found


@pytest.mark.parametrize(("part", "name", "fmt"), CLOSURES)
def test_every_state_of_a_closure_is_booted_alike(part: str, name: str, fmt: str):
    found = agreed(compare(made(part, name, fmt)))
    assert found.lines > found.states


@pytest.mark.parametrize(("part", "name", "fmt"), AFTER_ONE_CUT)
def test_every_state_behind_one_cut_is_booted_alike(part: str, name: str, fmt: str):
    agreed(compare(made(part, name, fmt), ONE_CUT))


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["pieces", "fail", "second", "module"])
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("part", PARTS)
def test_every_state_behind_one_cut_of_any_part_is_booted_alike(part: str, name: str, fmt: str):
    agreed(compare(made(part, name, fmt), ONE_CUT))


@pytest.mark.thorough
@pytest.mark.parametrize("name", names_of(Core.C))
@pytest.mark.parametrize("part", ["STM32L476xG", "STM32F103x8", "STM32U575xI"])
def test_every_state_of_every_closure_is_booted_alike(part: str, name: str):
    agreed(compare(made(part, name, "bin")))


def test_a_core_that_does_something_else_is_told(monkeypatch: pytest.MonkeyPatch):
    """That nothing differs says something only where a difference would be seen."""
    write = ModulePipe.write
    monkeypatch.setattr(
        CoreInC,
        "_put",
        lambda self, data, size: (
            write(self._port(), bytes(self._ffi.buffer(data, size)).replace(b"ATE0", b"ATE1")) or 0
        ),
    )
    core_of.cache_clear()
    found = compare(made(*CLOSURES[0]), most=1)
    core_of.cache_clear()
    (difference,) = found.differences
    assert "ATE1" in str(difference)


@pytest.mark.parametrize("name", ["verified-alone", "trial-changed"])
def test_a_search_of_the_c_core_comes_to_the_same_states(name: str):
    reports = []
    for core in Core:
        subject = subject_of(made("STM32L476xG", name, "bin", core))
        assert isinstance(subject, SubjectInC) == (core is Core.C)
        reports.append(Search(subject, subject.flash, subject.external).run())
    python, c = reports
    assert python.passed and c.passed, c.violations
    assert (c.states, c.boots, c.levels) == (python.states, python.boots, python.levels)
    assert set(c.ends) == set(python.ends)


def test_a_certificate_names_the_c_code(monkeypatch: pytest.MonkeyPatch):
    scenario = made("STM32L476xG", "good", "bin", Core.C)
    subject = subject_of(scenario)
    assert subject.fingerprints()["C core"] == native.source_digest()
    assert scenario.world["core"] == "c"
    assert scenario.id.endswith("/s0/c")


def test_what_the_c_core_does_not_have_is_said():
    assert {"signed", "package", "delta"} <= set(SCENARIOS) - set(names_of(Core.C))
    with pytest.raises(UsageError, match="cannot take part in scenario signed"):
        made("STM32L476xG", "signed", "bin", Core.C)
    part = load_part("STM32L476xG")
    toggled = layout_of(part, Strategy.OPTION_TOGGLE)
    with pytest.raises(UsageError, match="does not have the strategy option-toggle"):
        layout.header(part, Strategy.OPTION_TOGGLE, toggled)


def test_power_that_goes_ends_the_c_code_where_it_is():
    """Nothing of it runs behind a cut: the flash is as the cut left it."""
    subject = SubjectInC(made("STM32L476xG", "good", "bin", Core.C))
    python = BoardSubject(replace(subject.scenario, core=Core.PYTHON))
    for cut_at in (1, 40, 150):
        left = []
        for each in (subject, python):
            flash = each.flash.fork()
            board = each.board(flash, each.external)
            if each is subject:
                boot = each.boot(flash, each.external)
                board = boot._board  # type: ignore[attr-defined]
            left.append(_cut(board, cut_at))
        assert left[0] == left[1]


def _cut(board: Board, cut_at: int) -> Any:
    with pytest.raises(PowerLoss):
        for _ in board.run(supply=CutAt(cut_at, Outcome.BEFORE)):
            """On to the cut."""
    return board.device.state_digest()


def test_a_signed_image_that_is_confirmed_raises_the_rollback_floor():
    """Though neither core has a key here: somebody had one, and the journal says so."""
    made_ = made("STM32L476xG", "good", "bin")
    python = BoardSubject(replace(made_, begin=Beginning.SWITCHED))
    c = SubjectInC(replace(made_, begin=Beginning.SWITCHED, core=Core.C))
    security_version = SecurityVersion(Version(2, 0, 0, 0), 5)
    _, bank = python.board(python.flash, python.external).banks()
    snapshot = bank.journal.read().snapshot
    assert snapshot is not None
    signed = replace(snapshot, security_version=security_version)
    bank.journal.record(bank.journal.snapshot(signed), Record.SWITCHED)
    state = State(b"", python.flash, python.external, Path())
    doings = [follow(each, state, ReadChoice()) for each in (python, c)]
    assert first_difference(*(doing.steps for doing in doings)) is None
    for doing in doings:
        assert doing.flash is not None
        _, bank = python.board(doing.flash, python.external).banks()
        confirmed = bank.journal.read().snapshot
        assert confirmed is not None
        assert (confirmed.phase, confirmed.floor) == (Phase.CONFIRMED, security_version)


def test_sectors_of_another_package_do_not_count():
    """An upgrade was under way, and the module begins it anew with another package."""
    target = filled("STM32L476xG", 3996, "bin")
    python, c = (
        subject_of(replace(scenario("fail", target, core=core), retries=1)) for core in Core
    )
    state, bank = _loading(python)
    snapshot = bank.journal.read().snapshot
    assert snapshot is not None
    bank.journal.snapshot(replace(snapshot, package=Package(4000, bytes(16), bytes(32))))
    steps = [follow(each, state, ReadChoice()).steps for each in (python, c)]
    assert first_difference(*steps) is None
    assert ("erase", bank.slot.address, b"") in steps[0]
    # what erases may cost is asked of one package only: of this the question knows nothing
    assert steps[0][-1][:2] == ("violation", "live")


def _loading(subject: BoardSubject) -> tuple[State, Bank]:
    """What is left where power goes as soon as one sector is done, and the bank of it."""
    flash = subject.flash.fork()
    board = subject.board(flash, subject.external)
    _, bank = board.banks()
    for _ in board.run(subject.scenario.policy):
        if bank.journal.read().sectors_done == 1:
            break
    ((_, external),) = subject.surviving(board)
    flash.power_on()
    return State(b"", flash, external, Path()), bank

"""Between confirm and URL the module still has the target version of the upgrade before.

SDK 2.9.0 compares a version that is stated there with that one. It is what a device runs that was
upgraded before, so stating it would be a success that never was. Our updater states none there,
wherever it is interrupted.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from flash_emulator import CutAt, Outcome, PowerLoss
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import ComponentState, Package, Plan
from mcu_updater.core.errors import UpdaterError
from mcu_updater.core.session import Policy
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from mcu_updater.quectel.emulated.ota_states import OtaState
from mcu_updater.quectel.emulated.upgrade import Upgrade
from tests import worlds
from tests.thorough import one_in

NEW = "3.0.0"
SLOW_URL: dict[str, Any] = {"url_delay_s": 25.0}  # within the limit of 30 s
# of SDKs whose limit nobody knows
LATE_URL: dict[str, Any] = {"url_delay_s": 100.0, "url_limit_s": None}


class VersionWithoutUrl(AssertionError):
    """A version was stated between confirm and URL."""


@pytest.fixture(autouse=True)
def watched(monkeypatch):
    """Every module from here on tells of versions that are stated between confirm and URL."""
    stated = Upgrade.version_set

    def watch(self, component, version):
        if self.state is OtaState.SUBMITOTA and self._plan.component == component:
            raise VersionWithoutUrl(version)
        stated(self, component, version)

    monkeypatch.setattr(Upgrade, "version_set", watch)


def upgraded(seed: int = 0, faults: Faults | None = None, **options) -> Board:
    """Runs 2.0.0 by an upgrade of this module; 3.0.0 is planned, for as often as it takes."""
    board = worlds.board("bin", seed=seed)
    worlds.run(board)
    board.center.history.clear()
    package = Package(worlds.package("bin", NEW))
    board.offer(Plan(worlds.COMPONENT, NEW, package, retry_times=None))
    board.configure_module(replace(ModuleOptions(), **options))
    if faults is not None:
        board.connect(board.center, ModuleOptions(**options), faults)
        board.module.receive(b'AT+QIOTMCUVER="STM32","2.0.0"\r\n', board.clock.now_s())
    return board


def check(board: Board) -> None:
    """It comes to rest with the new version, and the platform heard of no success before."""
    for _ in range(6):
        worlds.run(board)
        if board.would_boot().version == NEW:
            break
    assert board.would_boot().version == NEW
    states = [change.state for change in board.center.history]
    assert states.count(ComponentState.SUCCESS) == 1


@pytest.mark.parametrize("off_s", [0.0, 10.0, 45.0])
@pytest.mark.parametrize("options", [{}, SLOW_URL], ids=["usual", "slow"])
def test_power_is_cut_at_every_event(options, off_s):
    """The MCU starts anew after each thing that it does or hears, while the module goes on."""
    total = len(worlds.run(upgraded(**options)))
    assert total > 30
    for stop in one_in(3, range(total), int(off_s)):
        board = upgraded(seed=stop, **options)
        for number, _ in enumerate(board.run()):
            if number == stop:
                break
        board.clock.sleep(off_s)
        check(board)


@pytest.mark.parametrize("module_too", [False, True])
def test_power_is_cut_at_every_third_flash_operation(module_too):
    board = upgraded()
    before = board.device.supply.taken
    worlds.run(board)
    for operation in range(1, board.device.supply.taken + before + 1, 3):
        board = upgraded(seed=operation, **SLOW_URL)
        try:
            worlds.run(board, supply=CutAt(operation, Outcome.TORN))
        except PowerLoss:
            if module_too:
                board.cut_module()
        check(board)


@pytest.mark.parametrize("url_delay_s", [29.0, 31.0, 45.0, 69.0, 71.0, 100.0, 200.0])
@pytest.mark.parametrize("url_limit_s", [30.0, None])
def test_no_url_for_a_long_time(url_delay_s, url_limit_s):
    """A module that says nothing may still wait for its URL: that it was asked shows nothing."""
    board = upgraded(url_delay_s=url_delay_s, url_limit_s=url_limit_s)
    for _ in range(3):
        worlds.run(board)
        board.clock.sleep(300)
    successes = [one for one in board.center.history if one.state is ComponentState.SUCCESS]
    assert len(successes) == (board.would_boot().version == NEW)


def test_a_confirmation_whose_answer_was_lost_and_whose_repeats_are_refused():
    """Then nobody here knows whether it was taken."""
    lost = frozenset({("+QIOTUPDATE", 1)})
    refused = frozenset(("+QIOTUPDATE", number) for number in range(2, 8))
    faults = Faults(lose_answer=lost, answer_error_to=refused)
    board = upgraded(faults=faults, **LATE_URL)
    with contextlib.suppress(UpdaterError):
        worlds.run(board, policy=Policy(component=worlds.COMPONENT))
    check(board)


def test_a_module_that_was_never_told_the_version_is_told_at_the_end_of_a_session():
    """It has been replaced while an upgrade was under way here."""
    board = upgraded()
    for event in board.run():
        if "the plan is confirmed" in str(event):
            break
    board.connect(board.center, ModuleOptions(), Faults())  # factory-new
    worlds.run(board)
    assert board.module.versions == {worlds.COMPONENT: "2.0.0"}

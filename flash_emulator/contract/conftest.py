"""The devices as fixtures. What a device does not offer is skipped, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flash_emulator.contract import targets
from flash_emulator.contract.layout import Expected, Layout
from flash_emulator.contract.shape import (
    Cuttable,
    Flash,
    Make,
    Powered,
    Switchable,
    can_be_cut,
    can_be_powered,
    can_be_switched,
    offered_outcomes,
)
from flash_emulator.power import Outcome

SAID = "flash contract"
"""Name of the user property in which a test leaves a line about the device."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "make" in metafunc.fixturenames:
        makers = targets.chosen(metafunc.config)
        metafunc.parametrize("make", list(makers.values()), ids=list(makers))
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "outcome" in metafunc.fixturenames and "outcome" not in own:
        metafunc.parametrize("outcome", list(Outcome), ids=str)


@pytest.fixture
def device(make: Make) -> Flash:
    """A fresh device."""
    return make()


@pytest.fixture
def layout(device: Flash) -> Layout:
    return Layout.of(device.geometry)


@pytest.fixture
def expected(layout: Layout) -> Expected:
    """What the device should read as; begins erased."""
    return Expected(layout)


@pytest.fixture
def powered(device: Flash) -> Powered:
    """The same device, where it can be switched on again."""
    if not can_be_powered(device):
        pytest.skip("the device has no power_on")
    return device


@pytest.fixture
def cuttable(device: Flash, request: pytest.FixtureRequest) -> Cuttable:
    """The same device, where its power can be cut, with this outcome if the test has one."""
    if not can_be_cut(device):
        pytest.skip("the device has no supply and power_on: its power cannot be cut")
    offered, outcome = offered_outcomes(device), request.node.callspec.params.get("outcome")
    if offered is not None and outcome is not None and str(outcome) not in offered:
        pytest.skip(f"the device does not offer the outcome {outcome}")
    return device


@pytest.fixture
def make_cuttable(cuttable: Cuttable, make: Make) -> Callable[[], Cuttable]:
    """Makes more of them, for tests that try several cuts. *cuttable* itself is then not used."""

    def made() -> Cuttable:
        device = make()
        assert can_be_cut(device), f"the second device is not as the first: {cuttable}, {device}"
        return device

    return made


@pytest.fixture
def switchable(device: Flash) -> Switchable:
    """The same device, where it can exchange its banks."""
    if device.geometry.bank_count < 2:
        pytest.skip("the device has one bank")
    if not can_be_switched(device):
        pytest.skip("the device has no map_bank and mapped_bank")
    bank = device.mapped_bank
    if bank != 0:
        pytest.fail(f"a fresh device maps bank {bank}")
    try:
        device.map_bank(0)
    except ValueError as error:
        pytest.skip(f"the device maps no banks: {error}")
    return device


@pytest.fixture
def say(
    make: Make, record_property: Callable[[str, object], None], pytestconfig: pytest.Config
) -> Callable[[str], None]:
    """Leave a line about the device for the end of the report."""
    name = next(name for name, maker in targets.chosen(pytestconfig).items() if maker is make)
    return lambda line: record_property(SAID, f"{name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = dict.fromkeys(_said(terminalreporter))
    if lines:
        terminalreporter.section(SAID)
        for line in lines:
            terminalreporter.write_line(line)


def _said(reporter: pytest.TerminalReporter) -> Iterator[str]:
    for report in reporter.stats.get("passed", []):
        for name, line in report.user_properties:
            if name == SAID:
                yield str(line)

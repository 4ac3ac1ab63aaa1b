"""Fixtures: an emulated device, and a search through every cut that fails the test.

@pytest.mark.flash("STM32L476xG", seed=3)
def test_boot(emulated_flash, powerloss):
    powerloss(emulated_flash, boot, verdict)
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from flash_emulator.testing.reports import OPTIONS, ReportPlugin, Reports

if TYPE_CHECKING:
    from flash_emulator.device.flash import EmulatedFlash
    from flash_emulator.parts.part import Part
    from flash_emulator.testing.firmware import MakeFirmware
    from flash_emulator.testing.powerloss import PowerLossTest

DEFAULT_PART = "STM32L476xG"
SEARCHED, FILM = "powerloss", "powerloss film"
"""Names of the user properties in which a test leaves its line and its film for the summary."""


class MakeFlash(Protocol):
    """Makes devices; *settings* are the arguments of EmulatedFlash."""

    def __call__(self, part: Part | str = DEFAULT_PART, **settings: Any) -> EmulatedFlash: ...


REPORTS = "powerloss reports"
"""The name of the plugin that writes them."""

_TEST = pytest.StashKey["PowerLossTest"]()


@pytest.fixture
def make_emulated_flash() -> MakeFlash:
    """``make_emulated_flash("STM32F429xI", seed=3)``: a fresh device of a part.

    The part is a name, the path of a part file (``.toml``) or a Part. Raises PartError.
    """
    return _made


@pytest.fixture
def emulated_flash(request: pytest.FixtureRequest) -> EmulatedFlash:
    """A fresh device: of the marker ``flash``, or of an STM32L476xG."""
    marker = request.node.get_closest_marker("flash")
    return _made(*marker.args, **marker.kwargs) if marker else _made()


@pytest.fixture
def firmware(request: pytest.FixtureRequest) -> MakeFirmware:
    """``firmware("board.toml")``, ``firmware("boot.elf", part="STM32L476xG")``: a device with a
    compiled bootloader to drive: ``FirmwareDevice``. Paths are relative to the test's folder.

    ``powerloss(device)`` cuts its power everywhere. Needs the extra ``cpu``.
    """
    from flash_emulator.testing.firmware import MakeFirmware

    return MakeFirmware(request.path.parent)


@pytest.fixture
def powerloss(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> PowerLossTest:
    """``powerloss(flash, boot, verdict)``, or ``powerloss(firmware("board.toml"))``: boot under
    every cut; see ``PowerLossTest``.

    A test that asks for it and never calls it fails: it would pass without a single cut.
    """
    from flash_emulator.testing.powerloss import PowerLossTest

    item = request.node
    plugin = pytestconfig.pluginmanager.get_plugin(REPORTS)
    test = item.stash[_TEST] = PowerLossTest(
        _named_from_here(item),
        pytestconfig.getoption("powerloss_replay"),
        plugin.reports if plugin is not None else Reports(),
        tell=lambda line: item.user_properties.append((SEARCHED, line)),
        show=lambda film: item.user_properties.append((FILM, film)),
    )
    return test


def _named_from_here(item: pytest.Item) -> str:
    """The test as a command line in this directory names it."""
    file = os.path.relpath(item.path, item.config.invocation_params.dir)
    return "::".join([file, *item.nodeid.split("::")[1:]])


def _made(part: Part | str = DEFAULT_PART, **settings: Any) -> EmulatedFlash:
    from flash_emulator.device.flash import EmulatedFlash
    from flash_emulator.parts.catalogue import load_part

    if isinstance(part, str):
        part = load_part(part)
    return EmulatedFlash(part, **settings)


def register_reports(config: pytest.Config) -> None:
    """Where any report is asked for, in this process or in that which has started it."""
    wanted = (*OPTIONS, "powerloss_certificates")
    if any(config.getoption(name) for name in wanted):
        config.pluginmanager.register(ReportPlugin(config), REPORTS)


def check_options(config: pytest.Config) -> None:
    """Raises UsageError for a replay ID that cannot be read."""
    text = config.getoption("powerloss_replay")
    if text:
        from flash_emulator.explore import Path

        try:
            Path.parse(text)
        except ValueError as error:
            raise pytest.UsageError(f"--powerloss-replay: {error}") from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    test = item.stash.get(_TEST, None)
    if test is not None and not test.called:
        pytest.fail("the fixture powerloss was never called: nothing was cut", pytrace=False)
    return result


# --- the terminal summary


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    films = dict(_told(terminalreporter, FILM))
    for nodeid, film in films.items():
        terminalreporter.section(f"power loss: {nodeid}")
        terminalreporter.write_line(film)
    lines = dict(_told(terminalreporter, SEARCHED))
    if lines:
        terminalreporter.section("power loss")
        for nodeid, line in lines.items():
            terminalreporter.write_line(f"{nodeid}: {line}")


def _told(reporter: pytest.TerminalReporter, kind: str) -> Iterator[tuple[str, str]]:
    """Node IDs, with the last that was told of each."""
    for reports in reporter.stats.values():
        for report in reports:
            for name, text in getattr(report, "user_properties", ()):
                if name == kind:
                    yield report.nodeid, str(text)

"""Searches of bootloaders that get their application from a host, which survives cuts or not."""

import gc
import pickle
import threading
from dataclasses import replace

import pytest

from flash_emulator.explore import Search, SearchOptions
from flash_emulator.explore.report import Limits
from flash_emulator.machine.driven import FirmwareDevice
from flash_emulator.machine.first_boot import boot_once
from flash_emulator.machine.hosts import HostBroken, Script, Step, Talk
from flash_emulator.machine.hosts.session import Common
from flash_emulator.machine.hosts.xmodem_host import xmodem_host
from flash_emulator.machine.rest import Limits as BootLimits
from flash_emulator.machine.sampling import sample
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import Outcome, PowerLoss
from tests.flash_emulator.machine.boards import PROGRAMS
from tests.flash_emulator.machine.hosts.firmware_boards import (
    BAUD,
    NEW,
    board_of,
    xmodem_script,
)
from tests.places import ROOT

CLEAN = (Outcome.BEFORE, Outcome.AFTER)
SURVIVES = Common(survives=True)


def searched(board, **options):
    options = {"outcomes": CLEAN, "limits": Limits(violations=None), **options}
    return Search(FirmwareSubject(board), board.flash(), options=SearchOptions(**options)).run()


@pytest.mark.parametrize("name", ["xmodem_boot", "xmodem_boot_ack_first"])
def test_a_script_brings_the_image(name):
    seen = boot_once(board_of(name, xmodem_script(NEW.data)))
    assert seen.verdict == "slot new"
    assert seen.record.output == b"C\x06\x06\x06"


@pytest.mark.parametrize("name", ["xmodem_boot", "xmodem_boot_ack_first"])
def test_a_host_that_begins_anew_hides_an_early_answer(name):
    report = searched(board_of(name, xmodem_script(NEW.data)))
    assert report.passed, report.violations[:1]


def test_what_is_acknowledged_when_it_is_done_is_never_lost():
    report = searched(board_of("xmodem_boot", xmodem_script(NEW.data, common=SURVIVES)))
    assert report.passed, report.violations[:1]


def test_what_is_acknowledged_too_early_is_found_out():
    """Power goes where the host has its answer and the flash has no mark: a moment."""
    board = board_of("xmodem_boot_ack_first", xmodem_script(NEW.data, common=SURVIVES))
    report = searched(board)
    assert report.complete
    assert {violation.question for violation in report.violations} == {"live"}
    assert "@4" in [str(violation.path) for violation in report.violations]


def test_a_host_that_has_noticed_the_cut_goes_on_as_well():
    both = Common(survives=True, away=("short", "long"))
    report = searched(board_of("xmodem_boot", xmodem_script(NEW.data, common=both)))
    assert report.passed, report.violations[:1]


def test_boards_with_hosts_go_to_other_processes():
    board = board_of("xmodem_boot", xmodem_script(NEW.data, common=SURVIVES))
    assert repr(pickle.loads(pickle.dumps(board))) == repr(board)


@pytest.mark.parametrize(
    "name", ["xmodem_boot", pytest.param("xmodem_boot_ack_first", marks=pytest.mark.thorough)]
)
def test_coalescing_changes_no_verdict(name):
    """What was programmed is settled before a byte leaves: moments are the same."""
    found = []
    for coalesce in (True, False):
        board = board_of(name, xmodem_script(NEW.data, common=SURVIVES), coalesce=coalesce)
        report = searched(board)
        found.append((report.states, report.cuts, [str(v.path) for v in report.violations]))
    assert found[0] == found[1]


@pytest.mark.thorough
def test_a_search_is_the_same_each_time():
    board = board_of("xmodem_boot", xmodem_host("USART2", NEW.data, baud=BAUD, survives=True))
    first, again = (replace(searched(board), elapsed_s=0.0) for _ in range(2))
    assert first == again


# --- other ways to run a board that has a host


@pytest.mark.thorough
@pytest.mark.parametrize("survives", [False, True])
def test_interruptions_between_operations_have_the_host_too(survives):
    common = Common(survives=survives)
    found = sample(board_of("xmodem_boot", xmodem_script(NEW.data, common=common)), most=6)
    assert found.tried == 18
    assert not found.found


def test_a_device_that_a_test_drives_has_the_host_too():
    board = board_of("xmodem_boot", xmodem_script(NEW.data, common=SURVIVES))
    device = FirmwareDevice(board)
    device.expect(b"\x06")
    device.cut_at(3)
    with pytest.raises(PowerLoss):
        device.run()
    assert device.host is None
    device.power_on()
    device.run()
    assert device.runs() == "slot new"
    assert device.host is not None
    assert device.host.is_done
    assert device.output.count(b"C") > 1  # it had noticed nothing, until its time was over


def test_a_device_that_is_forgotten_leaves_no_thread():
    device = FirmwareDevice(board_of("xmodem_boot", xmodem_host("USART2", NEW.data, baud=BAUD)))
    device.expect(b"\x06")
    assert any(thread.name.startswith("host") for thread in threading.enumerate())
    del device
    gc.collect()
    assert not any(thread.name.startswith("host") for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("example", "name"), [("bootloader", "xmodem_boot"), ("ack_first", "xmodem_boot_ack_first")]
)
def test_the_example_has_these_programs(example, name):
    found = ROOT / "examples/serial_bootloader" / f"{example}.elf"
    assert found.read_bytes() == (PROGRAMS / f"{name}.elf").read_bytes()


# --- firmware that sleeps, hosts that are wrong


@pytest.mark.parametrize("overrun", [False, True])
def test_firmware_sleeps_until_a_byte_comes(overrun):
    """However long that is."""
    steps = (Step(expect=b">"), Step(wait_s=1000.0), Step(send=b"abc"), Step(expect=b"abc"))
    seen = boot_once(board_of("sleepy_echo", Script("USART2", steps), overrun=overrun))
    assert seen.record.output == b">abc"
    assert seen.host == ("came to its end",)
    assert seen.ended is not None
    assert seen.ended.kind == "sleep"
    assert seen.instructions < 1000


def breaks(line):
    line.expect(b"C")
    raise KeyError("oops")


def test_a_host_that_is_wrong_ends_the_boot_with_words():
    board = board_of("xmodem_boot", Talk("USART2", breaks, blocking=True))
    with pytest.raises(HostBroken, match="the host at USART2 raised KeyError: 'oops'"):
        boot_once(board)
    report = searched(board)
    assert "the host at USART2" in report.violations[0].text
    assert not any(thread.name.startswith("host") for thread in threading.enumerate())


def test_a_host_at_a_usart_that_is_not_there():
    board = board_of("xmodem_boot", Script("USART9", (Step(send=b"a"),)))
    with pytest.raises(ValueError, match="USART9 is no USART of STM32L476xG: LPUART1, "):
        boot_once(board)


def never_reads(line):
    while True:
        line.write(b"x" * 100)
        line.wait(0.001)


def only_waits(line):
    line.read(1, None)
    line.wait(1e9)


def reads_on(line):
    while True:
        line.read(1, 0.5)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (never_reads, "xmodem_boot"),
        (never_reads, "sleepy_echo"),
        (only_waits, "xmodem_boot"),
        (only_waits, "sleepy_echo"),
        (reads_on, "xmodem_boot"),
    ],
)
def test_budgets_bind_whatever_the_host_does(function, name):
    host = Talk("USART2", function, blocking=True)
    seen = boot_once(board_of(name, host, limits=BootLimits(200_000)))
    assert seen.ended is not None
    assert seen.ended.kind in ("budget", "sleep")
    assert not any(thread.name.startswith("host") for thread in threading.enumerate())

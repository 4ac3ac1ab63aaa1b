"""Searches of bootloaders that get their application from a host, which survives cuts or not."""

import pickle

import pytest

from flash_emulator.explore import Search, SearchOptions
from flash_emulator.explore.report import Limits
from flash_emulator.machine.first_boot import boot_once
from flash_emulator.machine.hosts.session import Common
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import Outcome
from tests.flash_emulator.machine.hosts.firmware_boards import (
    NEW,
    board_of,
    xmodem_script,
)

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

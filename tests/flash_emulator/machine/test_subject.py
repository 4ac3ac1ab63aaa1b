"""Searches of compiled bootloaders: every cut, on their machine code."""

import pickle

import pytest

from flash_emulator.explore import Search, SearchOptions
from flash_emulator.explore.report import Limits
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import Outcome
from tests.flash_emulator.machine.boards import copy_board, swap_fb_board, swap_option_board

UNLIMITED = Limits(violations=None)
CLEAN = (Outcome.BEFORE, Outcome.AFTER)


def searched(board, **options):
    return Search(FirmwareSubject(board), board.flash(), options=SearchOptions(**options)).run()


def test_one_that_starts_over_is_closed_under_all_cuts():
    report = searched(copy_board("copy_restart", 1024))
    assert report.passed, report.violations[:1]
    assert report.cuts > 5_000


@pytest.mark.thorough
def test_one_that_marks_first_is_found_out():
    report = searched(copy_board("copy_done_first", 128, wanted=None), limits=UNLIMITED)
    assert report.complete
    found = {violation.question for violation in report.violations}
    assert found == {"safe", "live"}  # half an image runs; one without a vector table hangs


def test_one_that_resumes_passes_clean_cuts():
    report = searched(copy_board("copy_resume", 256), outcomes=CLEAN)
    assert report.passed, report.violations[:1]


@pytest.mark.thorough
def test_one_that_resumes_falls_where_cuts_leave_weak_units():
    report = searched(copy_board("copy_resume", 128), limits=Limits(violations=1))
    assert report.violation_count


@pytest.mark.parametrize(
    "name", ["copy_restart", pytest.param("copy_done_first", marks=pytest.mark.thorough)]
)
def test_coalescing_changes_no_verdict(name):
    tags = []
    for coalesce in (True, False):
        board = copy_board(name, 128, coalesce=coalesce)
        report = searched(board, limits=UNLIMITED)
        tags.append({(found.question, found.text) for found in report.violations})
        assert report.complete
    assert tags[0] == tags[1]


def test_a_subject_goes_to_other_processes():
    subject = FirmwareSubject(copy_board("copy_restart", 256))
    assert pickle.loads(pickle.dumps(subject)).board.questions.wanted == "new"


def test_a_swap_by_option_locks_up_where_the_option_write_is_torn():
    """The one operation of it: torn, the chip reads its own flash no more."""
    report = searched(swap_option_board(), limits=UNLIMITED)
    assert report.complete
    found = [(str(violation.path), violation.text) for violation in report.violations]
    assert [path for path, _ in found] == ["1t"]
    assert "reset vector" in found[0][1]


def test_a_swap_by_fb_mode_is_closed_under_all_cuts():
    report = searched(swap_fb_board(512))
    assert report.passed, report.violations[:1]

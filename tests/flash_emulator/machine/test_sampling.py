"""Interruptions between flash operations: what is found, and what is said of how much was tried."""

import pytest

from flash_emulator.machine.sampling import KINDS, PIN, POWER, sample
from flash_emulator.registers import SystemReset
from flash_emulator.subject import Violation
from tests.flash_emulator.machine.boards import copy_board, swap_fb_board


@pytest.mark.parametrize("board", [copy_board("copy_restart", 256), swap_fb_board(256)])
def test_a_right_bootloader_is_right_wherever_it_is_interrupted(board):
    found = sample(board)
    assert found.moments == found.known > 20
    assert found.tried == 3 * found.moments
    assert found.found == ()
    assert f"at all {found.known} moments" in str(found)
    assert "no findings" in str(found)


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_marks_before_it_copies_is_found_out_by_each_kind(kind):
    found = sample(copy_board("copy_done_first", 256), kinds=[kind])
    assert {each.question for each in found.found} == {"live"}
    assert all(each.kind == kind for each in found.found)


def test_a_part_of_the_moments_says_so():
    found = sample(copy_board("copy_restart", 256), kinds=[PIN, POWER], most=7)
    assert (found.moments, found.tried) == (7, 14)
    assert f"7 of {found.known} moments" in str(found)


def test_twice_is_the_same():
    board = copy_board("copy_done_first", 256)
    assert sample(board, most=9) == sample(board, most=9)


def test_a_boot_that_is_wrong_by_itself_is_no_sample():
    with pytest.raises(Violation, match="lost"):
        sample(copy_board("copy_restart", 256, wanted="old"))


def test_a_reset_by_pin_is_told_in_rcc_csr():
    """RM0351 6.4.29: PINRSTF is bit 26."""
    board = copy_board("copy_restart", 256)
    machine = board.machine()

    class Once:
        done = False

        def next_stop(self, counted):
            return None if self.done else 200

        def stopped(self, counted):
            if not self.done:
                self.done = True
                raise SystemReset("NRST", 0)

    machine.interrupter = Once()
    flash = board.flash()
    flash.power_on()
    assert machine.boot(flash).kind == "slot"
    assert machine.record.resets == ["NRST"]
    assert machine.bus.read(0x4002_1094, 4) >> 26 & 1

"""The bootloader as the compiler made it: driven step by step, and under every cut of power."""

from __future__ import annotations

import pytest

from flash_emulator import Outcome, PowerLoss
from flash_emulator.machine.rest import Rests


def test_it_installs_what_is_staged(firmware) -> None:
    device = firmware("board.toml")
    device.run()
    assert device.runs() == "slot version 2"
    assert device.read(0x0800_4800, 4) == b"DONE"


def test_a_cut_in_the_copy_is_mended_by_the_next_boot(firmware) -> None:
    device = firmware("board.toml")
    device.cut_at(5, Outcome.TORN)
    with pytest.raises(PowerLoss):
        device.run()
    device.run()
    assert device.runs() == "slot version 2"


def test_the_application_says_its_version(firmware) -> None:
    """It is started, and runs on: the boot does not end at the slot."""
    device = firmware("board.toml", rests=Rests())
    device.expect("version 2\r\n", timeout_ms=1000)


def test_no_cut_at_all_breaks_it(firmware, powerloss) -> None:
    powerloss(firmware("board.toml"))


def test_first_try(firmware, powerloss) -> None:
    powerloss(firmware("first_try.toml"))

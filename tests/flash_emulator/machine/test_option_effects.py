"""What option bytes of a board do to the machine: watchdogs, protection, Standby."""

import pytest

from flash_emulator import load_part
from flash_emulator.machine.board import Board, Image
from flash_emulator.machine.rest import Limits

BASE = 0x0800_0000
LOOP = "00100020 09000008 00bf fde7"  # stack, reset vector, nop, b to it
STANDBY = (  # STM32F1: PWR_CR.PDDS, SCR.SLEEPDEEP, WFI, b .
    "00100020 09000008 0348 0221 0160 0348 0421 0160 30bf fee7 00700040 10ed00e0"
)


def board(code: str, part: str = "STM32F103xB", **options) -> Board:
    limits = Limits(instructions=30_000_000, resets=2)
    image = Image("code", BASE, bytes.fromhex(code))
    return Board(load_part(part), (image,), limits=limits, **options)


def booted(made: Board):
    machine, flash = made.machine(), made.flash()
    flash.power_on()
    return machine, machine.boot(flash)


@pytest.mark.parametrize("part", ["STM32F103xB", "STM32F407xG"])
def test_a_hardware_watchdog_resets_what_does_not_feed_it(part):
    machine, ended = booted(board(LOOP, part, options={"WDG_SW": 0}))
    assert ended.kind == "resets"
    assert machine.record.resets == ["IWDG"] * 2
    _, ended = booted(board(LOOP, part))
    assert ended.kind == "budget"


def test_machines_that_are_used_again_have_the_watchdog_of_the_flash_that_they_boot():
    watched, plain = board(LOOP, options={"WDG_SW": 0}), board(LOOP)
    machine = plain.machine()
    kinds = []
    for made in (plain, watched, plain):
        flash = made.flash()
        flash.power_on()
        kinds.append(machine.boot(flash).kind)
    assert kinds == ["budget", "resets", "budget"]


def test_an_option_makes_a_reset_of_standby():
    machine, ended = booted(board(STANDBY, options={"nRST_STDBY": 0}))
    assert ended.kind == "resets"
    assert set(machine.record.resets) == {"nRST_STDBY"}
    _, ended = booted(board(STANDBY))
    assert ended.kind == "sleep"


def test_protected_ranges_are_whole_sectors():
    flash = board(LOOP, protected=((BASE, 1), (BASE + 0x7FF, 2))).flash()
    assert flash.protected == {0, 0x400, 0x800}


def test_protection_elsewhere_leaves_programs_one_operation():
    flash = board(LOOP, protected=((BASE, 0x400),)).flash()
    flash.power_on()
    assert flash.takes(BASE + 0x400, 2)
    assert not flash.takes(BASE + 0x3FE, 2)
    assert not flash.takes(BASE, 2)

"""What is not of one family: FB_MODE, which front a part gets, and that nothing gets lost."""

from __future__ import annotations

import pytest

from flash_emulator import AlignmentError, CutAt, EmulatedFlash, Outcome, PowerLoss, load_part
from flash_emulator import part_names as names
from flash_emulator.registers import (
    F1Front,
    F4Front,
    H5Front,
    H7Front,
    L4Front,
    MemoryRemap,
    front_for,
)
from tests.flash_emulator.registers.chips import BASE, Chip

FRONTS = {"l4": L4Front, "u5": L4Front, "f4": F4Front, "f1": F1Front, "h7": H7Front}
FRONTS |= {"h7ab": H7Front, "h5": H5Front}
FB_MODE = 1 << 8


@pytest.mark.parametrize("name", names())
def test_every_part_has_a_front_at_its_own_base(name: str) -> None:
    flash = EmulatedFlash(load_part(name))
    front = front_for(flash)
    assert type(front) is FRONTS[flash.part.family]
    assert front.base == flash.part.identity.flash_reg_base
    for offset in front._map:
        front.read(offset)


@pytest.mark.parametrize(
    ("part", "base"), [("STM32L476xG", 0x4001_0000), ("STM32F429xI", 0x4001_3800)]
)
def test_fb_mode_exchanges_the_banks_at_once(part: str, base: int) -> None:
    c = Chip(part)
    half = c.flash.part.bank_size
    c.flash.preload(BASE + half, b"bank two")
    remap = MemoryRemap(c.flash)
    assert remap.base == base and remap.read(0) == 0
    remap.write(0, 4, FB_MODE)
    assert remap.read(0) == FB_MODE and remap.read(1, 1) == 1
    assert c.flash.read(BASE, 8) == b"bank two"
    remap.write(0, 1, 3)
    assert remap.read(0) == FB_MODE | 3, "the other byte stays"
    remap.write(1, 1, 0)
    assert c.flash.read(BASE + half, 8) == b"bank two"
    remap.write(4, 4, FB_MODE)
    assert remap.read(0) == 3 and remap.read(4) == 0
    assert c.flash.supply.taken == 0, "no operation of the flash"


def test_fb_mode_is_gone_after_reset() -> None:
    c = Chip("STM32L476xG")
    remap = MemoryRemap(c.flash)
    remap.write(0, 4, FB_MODE | 1)
    c.flash.reset()
    remap.reset()
    assert remap.read(0) == 0


@pytest.mark.parametrize("part", ["STM32H743xI", "STM32F407xG", "STM32G0B1xE"])
def test_parts_without_fb_mode_have_no_front_for_it(part: str) -> None:
    with pytest.raises(AlignmentError, match="FB_MODE"):
        MemoryRemap(EmulatedFlash(load_part(part)))


def test_power_loss_passes_through_and_nothing_reaches_flash_after_it() -> None:
    c = Chip("STM32L476xG")
    c["CR"] = 1
    c.flash.supply = CutAt(1, Outcome.BEFORE)
    for _ in range(2):
        with pytest.raises(PowerLoss):
            c.store(BASE, 1, 2)
    assert c.flash.cells.raw_data(0, 8) == b"\xff" * 8

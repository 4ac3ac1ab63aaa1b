"""What start-up code of ST's HAL and LL waits for comes, and goes where the request is taken back.

Rows are read from no chip file: they say what the drivers poll.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from flash_emulator import EmulatedFlash, Part, load_part, part_names
from flash_emulator.machine.chips.catalogue import families
from flash_emulator.machine.peripherals import chip_of
from flash_emulator.registers import front_for
from tests.flash_emulator.machine.peripherals.chips import Around
from tests.flash_emulator.machine.peripherals.test_clocks_and_power import power


class Poll(NamedTuple):
    """*wanted* is set in *control*, then *bits* of *status* are waited for."""

    block: str
    control: int
    wanted: int
    status: int
    bits: int


def clocks(*rows: tuple[int, int, int]) -> list[Poll]:
    """Register, enable bit, ready bit."""
    return [Poll("RCC", at, 1 << on, at, 1 << ready) for at, on, ready in rows]


def pwr(*rows: tuple[int, int, int, int]) -> list[Poll]:
    """Control register and bit, status register and bit."""
    return [Poll("PWR", at, 1 << on, status, 1 << bit) for at, on, status, bit in rows]


def adc(name: str = "ADC1", *, ldo: bool = False) -> list[Poll]:
    regulator = [Poll(name, 8, 1 << 28, 0, 1 << 12)] if ldo else []
    return [*regulator, Poll(name, 8, 1, 0, 1)]


def dac(*names: str) -> list[Poll]:
    return [Poll(n, 0, 1 << 16 * c, 0x34, 1 << 11 + 16 * c) for n in names for c in (0, 1)]


OLD_CLOCKS = clocks((0, 16, 17), (0, 24, 25))  # HSE, PLL
F2_CLOCKS = [*OLD_CLOCKS, *clocks((0, 26, 27), (0x74, 0, 1), (0x70, 0, 1))]  # I2S, LSI, LSE
OVERDRIVE = pwr((0, 16, 4, 16), (0, 17, 4, 17), (4, 9, 4, 3))  # ODRDY, ODSWRDY, BRR
L4_CLOCKS = clocks((0, 8, 10), (0, 16, 17), (0, 24, 25), (0, 26, 27), (0x94, 0, 1),
                   (0x90, 0, 1), (0x98, 0, 1))  # fmt: skip
H7 = [
    *clocks((0, 7, 8), (0, 12, 13), (0, 16, 17), (0, 24, 25), (0, 26, 27), (0, 28, 29)),
    *clocks((0x74, 0, 1), (0x70, 0, 1)),
    *pwr((8, 0, 8, 16), (0xC, 24, 0xC, 26), (0xC, 25, 0xC, 26)),  # BRRDY, USB33RDY twice
    *adc(ldo=True),
]
FOLLOWING = {
    "STM32F091xC": [*OLD_CLOCKS, *clocks((0x34, 0, 1), (0x34, 16, 17), (0x24, 0, 1), (0x20, 0, 1)),
                    *adc("ADC")],
    "STM32F103xG": [*OLD_CLOCKS, *clocks((0x24, 0, 1), (0x20, 0, 1))],
    "STM32F207xG": [*F2_CLOCKS, *pwr((4, 9, 4, 3))],
    "STM32F303xC": [*OLD_CLOCKS, *clocks((0x24, 0, 1), (0x20, 0, 1)), *adc()],
    "STM32F429xI": [*F2_CLOCKS, *clocks((0, 28, 29)), *OVERDRIVE],
    "STM32F767xI_dual": [*F2_CLOCKS, *clocks((0, 28, 29)), *OVERDRIVE],
    "STM32G0B1xE": [*clocks((0, 8, 10), (0, 16, 17), (0, 22, 23), (0, 24, 25), (0x60, 0, 1),
                            (0x5C, 0, 1)), *pwr((0, 14, 0x14, 9)), *adc("ADC")],
    "STM32G474xE_dual": [*clocks((0, 8, 10), (0, 16, 17), (0, 24, 25), (0x94, 0, 1), (0x90, 0, 1),
                                 (0x98, 0, 1)), *pwr((0, 14, 0x14, 9)), *adc(),
                         *dac("DAC1", "DAC3")],
    "STM32L476xG": [*L4_CLOCKS, *pwr((0, 14, 0x14, 9)), *adc()],
    "STM32L4R5xI_dual": [*L4_CLOCKS, *pwr((0, 14, 0x14, 9)), *adc()],
    "STM32L552xE": [*L4_CLOCKS, *pwr((0, 14, 0x14, 9)), *adc()],
    "STM32U575xI": [*clocks((0, 4, 5), (0, 8, 10), (0, 12, 13), (0, 14, 15), (0, 16, 17),
                            (0, 24, 25), (0, 26, 27), (0, 28, 29), (0xF0, 0, 1), (0xF0, 26, 27)),
                    # BOOSTRDY, REGS, VDDUSBRDY, VDDIO2RDY, VDDA1RDY, VDDA2RDY
                    *pwr((0xC, 18, 0xC, 14), (8, 1, 0x3C, 1), (0x10, 24, 0x3C, 24),
                         (0x10, 25, 0x3C, 25), (0x10, 26, 0x3C, 26), (0x10, 27, 0x3C, 27)),
                    *adc(ldo=True), *dac("DAC1")],
    "STM32H563xI": [*clocks((0, 8, 9), (0, 12, 13), (0, 16, 17), (0, 24, 25), (0, 26, 27),
                            (0, 28, 29), (0xF0, 0, 1), (0xF0, 26, 27)),
                    *pwr((0x20, 0, 0x28, 16)), *adc(), *dac("DAC1")],
    "STM32H743xI": H7,
    "STM32H7A3xI": H7,
    "STM32WB55xG": [*clocks((0, 8, 10), (0, 16, 17), (0, 24, 25), (0, 26, 27), (0x94, 0, 1),
                            (0x94, 2, 3), (0x90, 0, 1), (0x98, 0, 1)),
                    *pwr((0, 14, 0x14, 9)), *adc()],
}  # fmt: skip


def part_like(name: str) -> Part:
    """The part; of a family that has no part file, some other part under its name."""
    if name in part_names():
        return load_part(name)
    return replace(load_part("STM32F103x8"), name=name)


@pytest.mark.parametrize("name", FOLLOWING)
def test_what_is_waited_for_follows_what_is_asked_for(name: str) -> None:
    around = Around(part_like(name))
    power(around)
    for poll in FOLLOWING[name]:
        before = around.get(poll.block, poll.control)
        around.set(poll.block, poll.control, before & ~poll.wanted)
        assert not around.get(poll.block, poll.status) & poll.bits, poll
        around.set(poll.block, poll.control, before | poll.wanted)
        assert around.get(poll.block, poll.status) & poll.bits == poll.bits, poll
        if poll.block.startswith("ADC"):
            continue
        around.set(poll.block, poll.control, before & ~poll.wanted)
        assert not around.get(poll.block, poll.status) & poll.bits, poll


def test_the_rows_have_every_family() -> None:
    assert {chip_of(part_like(name)).family for name in FOLLOWING} == set(families())


COMES = {  # voltage that is ready, VOSF that ends: block, register, bits set, bits clear
    "STM32F429xI": [("PWR", 4, 1 << 14, 0)],
    "STM32F767xI_dual": [("PWR", 4, 1 << 14, 0)],
    "STM32G0B1xE": [("PWR", 0x14, 1 << 8, 1 << 10), ("ADC", 0, 1 << 13 | 1 << 11, 0)],
    "STM32G474xE_dual": [("PWR", 0x14, 1 << 8, 1 << 10)],
    "STM32L476xG": [("PWR", 0x14, 1 << 8, 1 << 10)],
    "STM32L4R5xI_dual": [("PWR", 0x14, 1 << 8, 1 << 10)],
    "STM32L552xE": [("PWR", 0x14, 1 << 8, 1 << 10), ("ICACHE", 4, 1 << 1, 1)],
    "STM32U575xI": [("PWR", 0xC, 1 << 15, 0), ("PWR", 0x3C, 1 << 15, 0), ("ICACHE", 4, 1 << 1, 1)],
    "STM32H563xI": [("PWR", 0x14, 1 << 3 | 1 << 13, 0), ("ICACHE", 4, 1 << 1, 1)],
    "STM32H743xI": [("PWR", 0x18, 1 << 13, 0), ("PWR", 4, 1 << 13, 0), ("RCC", 0, 3 << 14, 0)],
    "STM32H7A3xI": [("PWR", 0x18, 1 << 13, 0), ("PWR", 4, 1 << 13, 0), ("RCC", 0, 3 << 14, 0)],
    "STM32WB55xG": [("PWR", 0x14, 1 << 8, 1 << 10), ("RCC", 8, 7 << 16, 0)],
}


@pytest.mark.parametrize("name", COMES)
def test_what_is_waited_for_without_a_request_is_there(name: str) -> None:
    around = Around(name)
    for block, register, ones, zeros in COMES[name]:
        found = around.get(block, register)
        assert (found & ones, found & zeros) == (ones, 0), (block, register)


@pytest.mark.parametrize("name", part_names())
def test_the_latency_that_is_written_is_read(name: str) -> None:
    front = front_for(EmulatedFlash(load_part(name)))
    front.flash.power_on()
    for latency in (1, 2, 1, 0):
        front.write(0, 4, front.read(0, 4) & ~7 | latency)
        assert front.read(0, 4) & 7 == latency


@pytest.mark.parametrize("name", part_names())
def test_crs_is_in_step(name: str) -> None:
    around = Around(name)
    if "CRS" in around.all:
        around.set("CRS", 0, 1 << 7 | 3 << 5)
        assert around.get("CRS", 0) == 3 << 5
        assert around.get("CRS", 8) & 1


NEW_ADC = [name for name in part_names() if chip_of(load_part(name)).family not in
           ("f1", "f2", "f4", "f7")]  # fmt: skip
ADEN, ADDIS, ADSTART, JADSTART, ADSTP, JADSTP = (1 << bit for bit in range(6))


@pytest.mark.parametrize("name", NEW_ADC)
def test_addis_ends_aden_and_nothing_else_does(name: str) -> None:
    around = Around(name)
    adc = next(key for key in around.all if key.startswith("ADC"))
    around.set(adc, 8, ADEN)
    around.set(adc, 8, ADSTART)
    around.set(adc, 8, JADSTART)
    assert around.get(adc, 8) == ADEN
    around.set(adc, 8, around.get(adc, 8) | ADSTP | JADSTP)
    assert around.get(adc, 8) == ADEN
    around.set(adc, 8, around.get(adc, 8) | ADDIS)
    assert around.get(adc, 8) == 0
    assert not around.get(adc, 0) & 1


@pytest.mark.parametrize(("name", "core"), [("STM32WB55xG", 4), ("STM32H743xI", 3)])
def test_a_semaphore_is_taken_in_one_step_and_in_two(name: str, core: int) -> None:
    around = Around(name)
    taken = 1 << 31 | core << 8
    for number in (0, 3, 31):
        r, rlr = 4 * number, 0x80 + 4 * number
        assert around.get("HSEM", r) == 0
        assert around.get("HSEM", rlr) == around.get("HSEM", r) == taken
        around.set("HSEM", r, taken | 5)  # another process
        assert around.get("HSEM", r) == taken
        around.set("HSEM", r, core << 8 | 5)  # is not whose it is
        assert around.get("HSEM", r) == taken
        around.set("HSEM", r, core << 8)
        assert around.get("HSEM", r) == 0
        around.set("HSEM", r, taken | 5)
        assert around.get("HSEM", r) == around.get("HSEM", rlr) == taken | 5
        around.reset()
        assert around.get("HSEM", r) == 0

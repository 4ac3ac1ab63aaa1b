"""RCC, PWR and the backup domain on every family."""

from __future__ import annotations

import pytest

from flash_emulator import load_part, part_names
from flash_emulator.machine.chips.facts import RccFacts
from flash_emulator.machine.peripherals import Cause, Pwr, Rcc, chip_of
from tests.flash_emulator.machine.peripherals.chips import Around

every_part = pytest.mark.parametrize("name", part_names())


@every_part
def test_a_clock_is_ready_when_it_is_on_and_only_then(name: str) -> None:
    around = Around(name)
    power(around)
    for _, register, on, ready in chip_of(around.part).rcc.ready:
        around.set("RCC", register, 0)
        assert not around.get("RCC", register) >> ready & 1
        around.set("RCC", register, 1 << on)
        assert around.get("RCC", register) >> ready & 1


@every_part
def test_a_ready_bit_is_not_stored_by_a_read_a_change_and_a_write(name: str) -> None:
    around = Around(name)
    power(around)
    for clock, register, on, ready in chip_of(around.part).rcc.ready:
        around.set("RCC", register, around.get("RCC", register) | 1 << on)
        around.set("RCC", register, around.get("RCC", register) & ~(1 << on))
        assert not around.get("RCC", register) >> ready & 1, clock


@every_part
def test_sws_follows_sw_once_the_clock_is_ready(name: str) -> None:
    """labwired-core 229, on a NUCLEO-H563ZI: "SW=CSI with CSI off leaves SWS unchanged"."""
    around = Around(name)
    power(around)
    facts = chip_of(around.part).rcc
    register, sw, sws, bits = facts.switch
    mask = (1 << bits) - 1
    first = around.get("RCC", register) >> sws & mask
    ready = {clock: (at, 1 << on) for clock, at, on, _ in facts.ready}
    for value, clock in enumerate(facts.clocks.switch):
        if not clock or value == first:
            continue
        at, bit = ready[clock]
        around.set("RCC", at, around.get("RCC", at) & ~bit)
        kept = around.get("RCC", register) & ~(mask << sw)
        around.set("RCC", register, kept | value << sw)
        assert around.get("RCC", register) >> sws & mask == first
        around.set("RCC", at, around.get("RCC", at) | bit)
        assert around.get("RCC", register) >> sws & mask == value
        around.set("RCC", register, kept | first << sw)
        assert around.get("RCC", register) >> sws & mask == first


CLOCKS = [  # part, writes to RCC; SYSCLK, HCLK, PCLK1, PCLK2 in MHz, as datasheets allow
    ("STM32F103xG", [], 8, 8, 8, 8),
    ("STM32F103xG", [(0, 0x0101_0083), (4, 0x001D_0402)], 72, 72, 36, 72),
    ("STM32F407xG", [(4, 0x0740_5408), (0, 0x0101_0083), (8, 0x9402)], 168, 168, 42, 84),
    ("STM32F767xI_dual", [(4, 0x0940_6C08), (0, 0x0101_0083), (8, 0x9402)], 216, 216, 54, 108),
    ("STM32L476xG", [], 4, 4, 4, 4),
    ("STM32L476xG", [(0, 0xB9)], 48, 48, 48, 48),
    ("STM32L476xG", [(0xC, 0x0100_2801), (0, 0x0100_0063), (8, 0x3)], 80, 80, 80, 80),
    ("STM32L4R5xI_dual", [(0xC, 0x0100_3C01), (0, 0x0100_0063), (8, 0x3)], 120, 120, 120, 120),
    ("STM32G0B1xE", [], 16, 16, 16, 16),
    ("STM32G0B1xE", [(0xC, 0x3000_0802), (0, 0x0100_0500), (8, 0x2)], 64, 64, 64, 64),
    ("STM32G474xE_dual", [], 16, 16, 16, 16),
    ("STM32G474xE_dual", [(0xC, 0x0100_5532), (0, 0x0100_0500), (8, 0x3)], 170, 170, 170, 170),
    ("STM32L552xE", [(0xC, 0x0100_3701), (0, 0x0100_0063), (8, 0x3)], 110, 110, 110, 110),
    ("STM32U575xI", [], 4, 4, 4, 4),
    ("STM32U575xI", [(0x28, 0x0004_0001), (0x34, 0x0100_004F), (0, 0x0100_0035), (0x1C, 3)],
     160, 160, 160, 160),
    ("STM32H563xI", [], 32, 32, 32, 32),
    ("STM32H563xI", [(0x28, 0x0001_0202), (0x34, 0x0000_02F9), (0, 0x0100_012B), (0x1C, 3)],
     250, 250, 250, 250),
    ("STM32H743xI", [], 64, 64, 64, 64),
    ("STM32H743xI", [(0x28, 0x0000_0012), (0x30, 0x0000_0277), (0, 0x0101_0025), (0x18, 0x48),
                     (0x1C, 0x440), (0x10, 3)], 480, 240, 120, 120),
    ("STM32WB55xG", [], 4, 4, 4, 4),
    ("STM32WB55xG", [(0, 0x0001_0061), (8, 2)], 32, 32, 32, 32),
]  # fmt: skip


@pytest.mark.parametrize(("name", "writes", "sysclk", "hclk", "pclk1", "pclk2"), CLOCKS)
def test_frequencies_are_those_that_the_registers_ask_for(
    name: str, writes: list[tuple[int, int]], sysclk: int, hclk: int, pclk1: int, pclk2: int
) -> None:
    around = Around(name, hse_hz=32_000_000 if name == "STM32WB55xG" else 8_000_000)
    rcc = around.of(Rcc)
    for register, value in writes:
        around.set("RCC", register, value)
    found = rcc.sysclk_hz, rcc.hclk_hz, rcc.apb_hz(1), rcc.apb_hz(2)
    assert [hz / 1e6 for hz in found] == [sysclk, hclk, pclk1, pclk2]
    assert rcc.timer_hz(1) == rcc.apb_hz(1) * (1 if pclk1 == hclk else 2)


def test_a_timer_counts_on_with_the_new_clock_from_the_change_on() -> None:
    around = Around("STM32L476xG")
    around.set("TIM2", 0, 1)
    around.wait(100)
    around.set("RCC", 0, 0xB9)  # MSI from 4 to 48 MHz
    around.wait(100)
    assert around.get("TIM2", 0x24) == 400 + 4800


CAUSES = {Cause.PIN, Cause.SOFTWARE, Cause.IWDG, Cause.WWDG}


def bits_of_its_own(facts: RccFacts, cause: Cause) -> int:
    """H743 sets CPURSTF for every cause."""
    every = [bit for bits in facts.causes.values() for bit in bits]
    return sum(1 << bit for bit in facts.causes.get(cause, ()) if every.count(bit) == 1)


@every_part
def test_causes_of_resets_add_up_until_rmvf_clears_them(name: str) -> None:
    around, facts = Around(name), chip_of(load_part(name)).rcc
    rcc = around.of(Rcc)
    own = {cause: bits_of_its_own(facts, cause) for cause in Cause}

    def flags() -> int:
        return around.get("RCC", facts.cause_register)

    def shown() -> set[Cause]:
        return {cause for cause in Cause if flags() & own[cause]}

    assert Cause.POWER_ON in shown() and Cause.PIN in shown()
    around.set("RCC", facts.cause_register, 1 << facts.clear)
    around.set("RCC", facts.cause_register, 0)
    assert not shown()
    for cause in (Cause.SOFTWARE, Cause.IWDG, Cause.WWDG):
        rcc.note(cause)
        around.reset()
        assert flags() & own[cause]
    assert shown() >= CAUSES
    around.reset(power_on=True)
    assert Cause.POWER_ON in shown() and Cause.IWDG not in shown()


def test_the_causes_of_an_l4_are_where_rm0351_has_them() -> None:
    around = Around("STM32L476xG")
    assert around.get("RCC", 0x94) == 0x0C00_0600
    around.set("RCC", 0x94, 1 << 23)
    around.of(Rcc).note(Cause.IWDG)
    around.reset()
    assert around.get("RCC", 0x94) >> 24 == 0b0010_0100


def power(around: Around, *, on: bool = True) -> None:
    """DBP: the backup domain may be written."""
    register, bit = chip_of(around.part).pwr.backup_access
    around.set("PWR", register, around.get("PWR", register) & ~(1 << bit) | on << bit)


@every_part
def test_backup_registers_are_written_while_dbp_is_set_and_survive_a_reset(name: str) -> None:
    around, facts = Around(name), chip_of(load_part(name)).backup
    first, count = facts.runs[0]
    last = first + 4 * (count - 1)
    around.set(facts.name, first, 0x5A5A_1234)
    assert around.get(facts.name, first) == 0
    power(around)
    around.set(facts.name, first, 0x5A5A_1234)
    around.set(facts.name, last, 0xFFFF_4321)
    power(around, on=False)
    around.set(facts.name, first, 0)
    around.reset()
    assert around.get(facts.name, first) == 0x5A5A_1234 & facts.mask
    assert around.get(facts.name, last) == 0xFFFF_4321 & facts.mask
    around.reset(power_on=True)
    assert around.get(facts.name, first) == 0


@every_part
def test_backup_sram_is_written_while_dbp_is_set_and_survives_a_reset(name: str) -> None:
    around = Around(name)
    if "BKPSRAM" not in around.all:
        assert chip_of(around.part).backup.sram is None
        return
    last = around["BKPSRAM"].size - 4
    around.set("BKPSRAM", 0, 1)
    power(around)
    around.set("BKPSRAM", last, 0x1234_5678)
    around.set("BKPSRAM", last, 0xAA, 1)
    around.reset()
    assert around.get("BKPSRAM", 0) == 0
    assert around.get("BKPSRAM", last) == 0x1234_56AA
    around.reset(power_on=True)
    assert around.get("BKPSRAM", last) == 0


@every_part
def test_bdrst_clears_backup_registers_and_clocks(name: str) -> None:
    around, facts = Around(name), chip_of(load_part(name))
    power(around)
    around.set(facts.backup.name, facts.backup.runs[0][0], 7)
    around.set("RCC", facts.rcc.backup_register, 1)
    around.set("RCC", facts.rcc.backup_register, 1 << facts.rcc.backup_reset)
    assert around.get(facts.backup.name, facts.backup.runs[0][0]) == 0
    around.set("RCC", facts.rcc.backup_register, 0)
    assert not around.get("RCC", facts.rcc.backup_register) & 0b10


@every_part
def test_lse_is_not_ready_where_dbp_forbids_to_start_it(name: str) -> None:
    around, facts = Around(name), chip_of(load_part(name)).rcc
    around.set("RCC", facts.backup_register, 1)
    assert not around.get("RCC", facts.backup_register) & 0b10


@every_part
def test_rtc_enters_its_initialisation_when_asked(name: str) -> None:
    around, facts = Around(name), chip_of(load_part(name)).backup
    power(around)
    if facts.rtc_status is None:
        assert around.get("RTC", facts.rtc_control or 0) & 1 << 5  # RTOFF, RM0008 18.4.2
        return
    around.set("RTC", facts.rtc_status, 1 << 7)
    assert around.get("RTC", facts.rtc_status) & 1 << 6
    around.set("RTC", facts.rtc_status, 0)
    assert around.get("RTC", facts.rtc_status) & 1 << 6 == 0


@every_part
def test_voltage_is_scaled_at_once(name: str) -> None:
    around, facts = Around(name), chip_of(load_part(name)).pwr
    for register, bits in facts.ones:
        assert around.get("PWR", register) & bits == bits
    for status, bit, control, other in facts.follows:
        around.set("PWR", control, 1 << other)
        assert around.get("PWR", status) >> bit & 1
        around.set("PWR", control, 0)
        assert not around.get("PWR", status) >> bit & 1
    for status, bit, control, other, bits in facts.copies:
        for value in range(1 << bits):
            around.set("PWR", control, value << other)
            assert around.get("PWR", status) >> bit & (1 << bits) - 1 == value


@every_part
def test_the_flags_of_standby_survive_the_reset_and_are_cleared_by_software(name: str) -> None:
    around, facts = Around(name), chip_of(load_part(name)).pwr
    around.of(Pwr).note_standby(pin=True)
    around.reset()
    status, bit, clear, other = facts.standby
    wake, wake_bit, wake_clear, wake_other = facts.wake_up
    assert around.get("PWR", status) >> bit & 1
    assert around.get("PWR", wake) >> wake_bit & 1
    around.set("PWR", clear, 1 << other)
    assert not around.get("PWR", status) >> bit & 1
    around.set("PWR", wake_clear, 1 << wake_other)
    assert not around.get("PWR", wake) >> wake_bit & 1
    around.of(Pwr).note_standby(pin=False)
    around.reset(power_on=True)
    assert not around.get("PWR", status) >> bit & 1


@every_part
def test_what_firmware_waits_for_in_other_peripherals_comes(name: str) -> None:
    around = Around(name)
    for facts in chip_of(around.part).ready:
        for register, bits in facts.ones:
            assert around.get(facts.name, register) & bits == bits
        for register, bits in facts.self_clearing:
            around.set(facts.name, register, bits)
            assert around.get(facts.name, register) & bits & ~dict(facts.ones).get(register, 0) == 0
        for status, bit, control, other in facts.follows:
            around.set(facts.name, control, 1 << other)
            assert around.get(facts.name, status) >> bit & 1


def test_bxcan_acknowledges_initialisation() -> None:
    """RM0351 46.9.2: INAK follows INRQ, SLAK follows SLEEP, which is set after a reset."""
    around = Around("STM32F103xG")
    assert around.get("CAN1", 4) & 0b11 == 0b10
    around.set("CAN1", 0, 1)
    assert around.get("CAN1", 4) & 0b11 == 0b01

"""Timers, IWDG, WWDG: RM0351 chapters 26 to 30, 35 and 36. Clocks as after a reset: L4 at 4 MHz."""

from __future__ import annotations

import pytest

from flash_emulator import part_names
from flash_emulator.machine.peripherals import Cause, chip_of
from flash_emulator.machine.peripherals.timer import (
    ARPE,
    ARR,
    CCR1,
    CEN,
    CNT,
    CR1,
    DIER,
    EGR,
    OPM,
    PSC,
    SR,
    UDIS,
    UIF,
    URS,
)
from flash_emulator.registers import SystemReset
from tests.flash_emulator.machine.peripherals.chips import Around

L4 = "STM32L476xG"
KR, PR, RLR, WINR = 0x00, 0x04, 0x08, 0x10
TIM2_IRQ = 28


def timer(*, psc: int = 3, arr: int = 999, cr1: int = 0, name: str = "TIM2") -> Around:
    """Counts microseconds up to *arr*, from 0."""
    around = Around(L4)
    around.set(name, PSC, psc)
    around.set(name, ARR, arr)
    around.set(name, EGR, 1)
    around.set(name, SR, 0)
    around.set(name, CR1, CEN | cr1)
    return around


def test_a_timer_counts_time_divided_by_psc() -> None:
    around = timer()
    around.wait(123)
    assert around.get("TIM2", CNT) == 123
    around.wait(1000)
    assert around.get("TIM2", CNT) == 123
    assert around.get("TIM2", SR) == UIF | 0b11110  # compares with 0, too


def test_psc_counts_from_the_next_update_on() -> None:
    around = timer(psc=3, arr=99)
    around.set("TIM2", PSC, 39)
    around.wait(100)
    assert around.get("TIM2", CNT) == 0
    around.wait(100)
    assert around.get("TIM2", CNT) == 10


def test_arr_counts_at_once_unless_it_is_preloaded() -> None:
    around = timer(arr=99)
    around.set("TIM2", ARR, 49)
    around.wait(60)
    assert around.get("TIM2", CNT) == 10
    around = timer(arr=99, cr1=ARPE)
    around.set("TIM2", ARR, 49)
    around.wait(60)
    assert around.get("TIM2", CNT) == 60
    around.wait(40 + 50 + 5)
    assert around.get("TIM2", CNT) == 5


def test_the_update_interrupt_comes_at_its_time_until_software_clears_it() -> None:
    around = timer()
    around.set("TIM2", DIER, 1)
    assert around["TIM2"].next_us() == pytest.approx(1000)
    around.wait(999.9)
    assert not around.chip.irqs.get(TIM2_IRQ, False)
    around.wait(0.2)
    assert around.chip.irqs[TIM2_IRQ]
    around.set("TIM2", SR, 0)
    assert not around.chip.irqs[TIM2_IRQ]
    assert around["TIM2"].next_us() == pytest.approx(2000)


def test_one_pulse_stops() -> None:
    around = timer(cr1=OPM)
    around.wait(5000)
    assert around.get("TIM2", CNT) == 0
    assert around.get("TIM2", CR1) & CEN == 0
    assert around.get("TIM2", SR) & UIF


def test_a_stopped_timer_keeps_its_count() -> None:
    around = timer()
    around.wait(10)
    around.set("TIM2", CR1, 0)
    around.wait(500)
    assert around.get("TIM2", CNT) == 10
    around.set("TIM2", CR1, CEN)
    around.wait(7)
    assert around.get("TIM2", CNT) == 17


def test_an_update_can_be_kept_from_setting_its_flag() -> None:
    around = timer(cr1=URS)
    around.set("TIM2", EGR, 1)
    assert not around.get("TIM2", SR) & UIF
    around = timer(cr1=UDIS)
    around.wait(1500)
    assert not around.get("TIM2", SR) & UIF


def test_a_compare_flag_comes_when_the_count_passes() -> None:
    around = timer()
    around.set("TIM2", CCR1, 300)
    around.set("TIM2", DIER, 0b10)
    around.set("TIM2", SR, 0)
    around.wait(299)
    assert not around.get("TIM2", SR) & 0b10
    around.wait(1.5)
    assert around.get("TIM2", SR) & 0b10 and around.chip.irqs[TIM2_IRQ]


def test_long_waits_cost_no_loop() -> None:
    around = timer(psc=0, arr=1)
    around.chip.now_us = 3_600_000_000.0
    assert around.get("TIM2", SR) & UIF
    assert around.get("TIM2", CNT) in (0, 1)


def test_16_bits_wrap_where_32_go_on() -> None:
    around = Around(L4)
    for name in ("TIM2", "TIM6"):
        around.set(name, PSC, 3)
        around.set(name, EGR, 1)
        around.set(name, CR1, CEN)
    around.wait(70_000)
    assert around.get("TIM2", CNT) == 70_000
    assert around.get("TIM6", CNT) == 70_000 - 65_536


# --- IWDG


def iwdg(part: str = L4, *, pr: int = 0, rlr: int = 31) -> Around:
    """Started; L4: (31 + 1) * 4 / 32 kHz = 4 ms."""
    around = Around(part)
    around.set("IWDG", KR, 0xCCCC)
    around.set("IWDG", KR, 0x5555)
    around.set("IWDG", PR, pr)
    around.set("IWDG", RLR, rlr)
    around.set("IWDG", KR, 0xAAAA)
    return around


@pytest.mark.parametrize("name", part_names())
def test_iwdg_resets_the_chip_after_its_time_on_every_part(name: str) -> None:
    around = iwdg(name)
    hz = chip_of(around.part).lsi_hz
    end_us = 32 * 4 / hz * 1e6
    around.wait(end_us - 1)
    with pytest.raises(SystemReset) as caught:
        around.wait(2)
    assert caught.value.reason == "IWDG"
    around.reset()
    facts = chip_of(around.part).rcc
    flags = around.get("RCC", facts.cause_register)
    assert flags & sum(1 << bit for bit in facts.causes[Cause.IWDG])
    assert around["IWDG"].next_us() is None


def test_iwdg_of_f1_runs_from_40_khz() -> None:
    """RM0008 19.3: table 96."""
    around = iwdg("STM32F103xG", pr=6, rlr=0xFFF)
    assert around["IWDG"].next_us() == pytest.approx(4096 * 256 / 40_000 * 1e6)


def test_feeding_keeps_it_alive() -> None:
    around = iwdg()
    for _ in range(10):
        around.wait(3900)
        around.set("IWDG", KR, 0xAAAA)
    with pytest.raises(SystemReset):
        around.wait(4001)


def test_registers_are_written_after_their_key_alone() -> None:
    around = Around(L4)
    around.set("IWDG", PR, 3)
    assert around.get("IWDG", PR) == 0
    around.set("IWDG", KR, 0x5555)
    around.set("IWDG", PR, 3)
    around.set("IWDG", KR, 0xAAAA)
    around.set("IWDG", PR, 1)
    assert around.get("IWDG", PR) == 3
    assert around.get("IWDG", 0x0C) == 0


def test_a_feed_outside_of_the_window_resets() -> None:
    around = iwdg()
    around.set("IWDG", KR, 0x5555)
    around.set("IWDG", WINR, 15)
    around.wait(1000)
    with pytest.raises(SystemReset, match="IWDG"):
        around.set("IWDG", KR, 0xAAAA)
    around = iwdg()
    around.set("IWDG", KR, 0x5555)
    around.set("IWDG", WINR, 15)
    around.wait(3000)
    around.set("IWDG", KR, 0xAAAA)
    around.wait(3900)


def test_it_is_not_stopped_by_anything_but_a_reset() -> None:
    around = iwdg()
    for value in (0, 0x5555, 0x1234):
        around.set("IWDG", KR, value)
    with pytest.raises(SystemReset):
        around.wait(4001)


def test_an_option_byte_starts_it_at_every_reset() -> None:
    around = Around(L4, hardware_watchdog=lambda: True)
    end_us = 4096 * 4 / 32_000 * 1e6
    assert around["IWDG"].next_us() == pytest.approx(end_us)
    with pytest.raises(SystemReset):
        around.wait(end_us + 1)
    around.reset()
    assert around["IWDG"].next_us() == pytest.approx(2 * end_us)


# --- WWDG: PCLK1 / 4096 is 1.024 ms a step at 4 MHz

WWDG_CR, CFR, WWDG_SR = 0x00, 0x04, 0x08
STEP_US = 1024


def test_wwdg_resets_when_t6_goes() -> None:
    around = Around(L4)
    around.set("WWDG", WWDG_CR, 1 << 7 | 0x42)
    around.wait(2 * STEP_US + 1)
    assert around.get("WWDG", WWDG_CR) == 1 << 7 | 0x40
    with pytest.raises(SystemReset, match="WWDG"):
        around.wait(STEP_US)
    assert around.get("RCC", 0x94) >> 30 & 1


def test_wwdg_warns_one_step_before() -> None:
    around = Around(L4)
    around.set("WWDG", CFR, 1 << 9 | 0x7F)
    around.set("WWDG", WWDG_CR, 1 << 7 | 0x42)
    around.wait(2 * STEP_US - 1)
    assert not around.chip.irqs.get(0, False)
    around.wait(2)
    assert around.chip.irqs[0] and around.get("WWDG", WWDG_SR) == 1
    around.set("WWDG", WWDG_CR, 0x7F)
    around.set("WWDG", WWDG_SR, 0)
    assert not around.chip.irqs[0]
    around.wait(60 * STEP_US)


def test_wwdg_is_fed_within_its_window_alone() -> None:
    around = Around(L4)
    around.set("WWDG", CFR, 0x50)
    around.set("WWDG", WWDG_CR, 1 << 7 | 0x7F)
    with pytest.raises(SystemReset, match="WWDG"):
        around.set("WWDG", WWDG_CR, 0x7F)
    around = Around(L4)
    around.set("WWDG", WWDG_CR, 1 << 7 | 0x7F)
    with pytest.raises(SystemReset, match="WWDG"):
        around.set("WWDG", WWDG_CR, 0x3F)


def test_wwdg_sleeps_until_it_is_started() -> None:
    around = Around(L4)
    around.wait(1_000_000)
    assert around["WWDG"].next_us() is None
    assert around.get("WWDG", WWDG_CR) == 0x7F

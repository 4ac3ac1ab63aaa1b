"""Bootloader and updater, cross-compiled and executed: on every state they do what those in Python
do, over the registers of flash and USART."""

from __future__ import annotations

import pytest

from flash_emulator.explore import SearchOptions
from flash_emulator.power import Outcome
from mcu_updater.powerloss.catalogue import filled, scenario
from tests.core_c.core_on_chip import PARTS, SCENARIOS, Compared, compare

pytestmark = pytest.mark.judge("arm-none-eabi-gcc")

FEW = SearchOptions(outcomes=(Outcome.BEFORE, Outcome.TORN))


def compared(name: str, which: str, step: int) -> Compared:
    found = compare(scenario(which, filled(name, 700, "bin")), FEW, step)
    assert found.differences == []
    assert found.lines > 10 * found.boots
    assert found.operations > found.boots
    return found


def test_the_core_on_the_chip_is_that_in_python_on_states_of_an_upgrade():
    found = compared("STM32L476xG", "good", 5)
    assert found.boots == 7
    assert found.starts > 2 * found.boots


@pytest.mark.thorough
@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("which", SCENARIOS)
def test_the_core_on_the_chip_is_that_in_python_on_a_closure_of_torn_units(name, which):
    assert compared(name, which, 1).boots > 20


_FLASH, _BOARD = "hal/stm32_ecc/flash.c", "hal/stm32/board.c"
_REMAPS = """    remap(bank != 0u ? SYSCFG_MEMRMP_FB_MODE : 0u);
    return bank == fwu_hal_mapped_bank();"""
MISTAKES = {
    "BKER where banks are exchanged": (
        "good",
        _FLASH,
        "if ((offset >= FWU_BANK_SIZE) != banks_are_exchanged()) {",
        "if ((offset >= FWU_BANK_SIZE) != (banks_are_exchanged() && false)) {",
    ),
    "units": ("good", _FLASH, "memcpy(words, data + at,", "memcpy(words, data,"),
    "remap": ("good", "hal/stm32l476/remap.c", _REMAPS, "    (void)remap;\n    return true;"),
    "cause": ("crash", _BOARD, "return FWU_CAUSE_WATCHDOG;", "return FWU_CAUSE_POWER;"),
    "reset flags": ("crash", _BOARD, "RCC_CSR |= RCC_CSR_RMVF;", ""),
    "reason": (
        "fail",
        "src/fwu_updater.c",
        "snapshot.reason = FWU_REASON_SELF_TEST;",
        "snapshot.reason = FWU_REASON_ATTEMPTS;",
    ),
    "piece": (
        "good",
        "src/fwu_updater.c",
        "load_offset = piece->start;",
        "load_offset = piece->start + 1u;",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("which", MISTAKES)
def test_a_mistake_in_core_or_hal_is_a_difference(which):
    """Of the remap: images are not executed here, so the bank is asked for."""
    name, file, old, new = MISTAKES[which]
    target = filled("STM32L476xG", 700, "bin")
    found = compare(scenario(name, target), FEW, most=1, changes=((file, old, new),))
    assert len(found.differences) == 1

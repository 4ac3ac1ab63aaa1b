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

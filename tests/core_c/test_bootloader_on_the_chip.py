"""The bootloader, cross-compiled and executed: on every state it does what that in Python does."""

from __future__ import annotations

import pytest

from flash_emulator.explore import SearchOptions
from flash_emulator.power import Outcome
from mcu_updater.powerloss.catalogue import filled, scenario
from tests.core_c.chip_pairs import compare

pytestmark = pytest.mark.judge("arm-none-eabi-gcc")

FEW = SearchOptions(outcomes=(Outcome.BEFORE, Outcome.TORN))
CASES = (
    ("STM32L476xG", "crash"),
    ("STM32F103x8", "crash"),
    ("STM32U575xI", "crash"),
    ("STM32L476xG", "fail"),
    ("STM32L476xG", "good"),
    ("STM32F103x8", "good"),
    ("STM32U575xI", "good"),
)


def check(name: str, which: str, options: SearchOptions) -> None:
    found = compare(scenario(which, filled(name, 300, "bin")), options)
    assert found.boots > 20
    assert found.differences == []


def test_the_bootloader_is_that_in_python_on_a_closure_of_torn_units():
    check(*CASES[0], FEW)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "which"), CASES[1:3])
def test_that_of_other_chips_is_too(name, which):
    check(name, which, FEW)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "which"), CASES)
def test_the_bootloader_is_that_in_python_on_a_closure_of_all_outcomes(name, which):
    check(name, which, SearchOptions())

"""Polls of ADC that start-up code makes: a calibration ends, ADRDY follows ADEN, EOC comes."""

import pytest

from flash_emulator import part_names
from flash_emulator.machine.peripherals import chip_of
from tests.flash_emulator.machine.peripherals.chips import Around

ADCAL, ADEN, ADSTART = 1 << 31, 1 << 0, 1 << 2
OLD = ("f1", "f2", "f4", "f7")  # SR, CR1, CR2


@pytest.mark.parametrize("name", part_names())
def test_what_firmware_waits_for_comes(name: str) -> None:
    around = Around(name)
    adc = next(key for key in around.all if key.startswith("ADC"))
    if chip_of(around.part).family in OLD:
        around.set(adc, 0x8, 0xD)
        assert around.get(adc, 0x8) & 1
        assert around.get(adc, 0x0) & 2  # EOC
        return
    assert not around.get(adc, 0x0) & 1
    around.set(adc, 0x8, ADCAL)
    assert around.get(adc, 0x8) == 0
    around.set(adc, 0x8, ADEN | ADSTART)
    assert around.get(adc, 0x8) == ADEN
    assert around.get(adc, 0x0) & 0x5 == 0x5  # ADRDY, EOC


def test_the_calibration_of_f1_ends() -> None:
    around = Around("STM32F103x8")
    around.set("ADC1", 0x8, 0xC)
    assert around.get("ADC1", 0x8) == 0

"""A machine can be made of every part: its memories, windows and peripherals fit each other."""

from __future__ import annotations

import struct

import pytest

from flash_emulator import EmulatedFlash, load_part, part_names
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits
from flash_emulator.parts.catalogue import other_size_names
from flash_emulator.registers import BusError
from flash_emulator.registers.f1 import OPTPG, OPTWRE
from flash_emulator.registers.locks import KEYS


@pytest.mark.parametrize("name", [*part_names(), *other_size_names()])
def test_a_machine_can_be_made_of(name: str) -> None:
    machine = Machine(load_part(name))
    assert {p.name for p in machine.peripherals} >= {"RCC", "PWR", "GPIOA", "CRC", "IWDG"}


def test_option_bytes_of_f1_are_memory() -> None:
    """RDP and its complement; a store of one byte is a bus error, as the FPEC has it."""
    machine = Machine(load_part("STM32F103xG"))
    flash = EmulatedFlash(machine.part)
    machine.space.power_on(flash)
    assert machine.bus.read(0x1FFF_F800, 2) == 0x5AA5
    assert machine.bus.read(0x1FFF_F800, 4) == 0xFFFF_5AA5
    for register, keys in ((0x04, KEYS), (0x08, KEYS)):
        for key in keys:
            machine.space.front.write(register, 4, key)
    machine.space.front.write(0x10, 4, OPTWRE | OPTPG)
    machine.bus.write(0x1FFF_F804, 2, 0x12)
    assert flash.options.programmed["DATA0"] == 0x12
    with pytest.raises(BusError):
        machine.bus.write(0x1FFF_F806, 1, 0x12)


@pytest.mark.parametrize("name", ["STM32F407xG", "STM32F103xG"])
def test_an_option_byte_starts_the_watchdog(name: str) -> None:
    """An endless loop is reset again and again by IWDG, which no firmware has started."""
    part = load_part(name)
    spin = struct.pack("<IIHH", 0x2000_1000, part.base + 9, 0xBF00, 0xE7FD)  # nop; b .-2
    for chosen in (1, 0):
        machine = Machine(part, limits=Limits(instructions=40_000_000))
        flash = EmulatedFlash(part)
        flash.preload(part.base, spin)
        flash.program_options(WDG_SW=chosen)
        flash.power_on()
        machine.boot(flash)
        assert ("IWDG" in machine.record.resets) == (chosen == 0)

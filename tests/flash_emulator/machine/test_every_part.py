"""A machine can be made of every part: its memories, windows and peripherals fit each other."""

from __future__ import annotations

import pytest

from flash_emulator import load_part, part_names
from flash_emulator.machine.machine import Machine
from flash_emulator.parts.catalogue import other_size_names


@pytest.mark.parametrize("name", [*part_names(), *other_size_names()])
def test_a_machine_can_be_made_of(name: str) -> None:
    machine = Machine(load_part(name))
    assert {p.name for p in machine.peripherals} >= {"RCC", "PWR", "GPIOA", "CRC", "IWDG"}

"""What stands around flash on a chip: clocks, pins, serial ports, timers, watchdogs, and the rest.

    peripherals = peripherals_for(load_part("STM32L476xG"), chip)

Pure Python, no CPU: *chip* is whatever satisfies ``Chip``. Registers that no peripheral has are the
machine's. RCC keeps the causes of resets: ``Rcc.note`` before each reset that is not a power-on.
"""

from flash_emulator.machine.chips.catalogue import chip_of, core_of, ram_aliases_of, ram_of
from flash_emulator.machine.peripherals.base import Chip, Peripheral
from flash_emulator.machine.peripherals.chip_peripherals import peripherals_for
from flash_emulator.machine.peripherals.exti import Exti
from flash_emulator.machine.peripherals.gpio import Port
from flash_emulator.machine.peripherals.option_memory import option_memory
from flash_emulator.machine.peripherals.pwr import Pwr
from flash_emulator.machine.peripherals.rcc import Cause, Rcc
from flash_emulator.machine.peripherals.watchdogs import Iwdg

__all__ = [
    "Cause",
    "Chip",
    "Exti",
    "Iwdg",
    "Peripheral",
    "Port",
    "Pwr",
    "Rcc",
    "chip_of",
    "core_of",
    "option_memory",
    "peripherals_for",
    "ram_aliases_of",
    "ram_of",
]

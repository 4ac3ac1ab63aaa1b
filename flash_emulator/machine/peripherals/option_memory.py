"""Option bytes that are memory (F1, F0, F3), as one more device on the bus: the front has them."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from flash_emulator.machine.peripherals.base import Chip, Peripheral
from flash_emulator.parts.part import Part
from flash_emulator.registers import Front


class OptionMemory(Peripheral):
    """Reads and writes go to *front*, which is another one for each flash that is booted."""

    def __init__(self, chip: Chip, area: range, front: Callable[[], Front]) -> None:
        super().__init__(chip, "OPTION BYTES", area.start, len(area))
        self._front = front

    def reset(self, *, power_on: bool) -> None:
        """The device loads its options."""

    def read(self, offset: int, width: int) -> int:
        return self._front().load(self.base + offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        """May raise BusError for a width that the FPEC does not take."""
        self._front().store(self.base + offset, width, value)

    def held(self, word: int) -> int:
        return self._front().load(self.base + word, 4)

    def state(self) -> Hashable:
        """What is programmed is the device's."""
        return None

    def restore(self, state: Hashable) -> None:
        pass


def option_memory(part: Part, chip: Chip, front: Callable[[], Front]) -> list[OptionMemory]:
    """None of a part whose option bytes are reached through registers."""
    area = part.identity.option_bytes if part.family == "f1" else None
    return [] if area is None else [OptionMemory(chip, area, front)]

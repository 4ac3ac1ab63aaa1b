"""FB_MODE on the bus: the page table of the machine follows the banks."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import Aliasing
from flash_emulator.registers import MemoryRemap
from flash_emulator.registers.syscfg import BASES


class BankAlias:
    """SYSCFG_MEMRMP, in front of the rest of SYSCFG. *moved* is called when banks change places."""

    size = 4

    def __init__(self, base: int, moved: Callable[[], object]) -> None:
        self.base, self._moved = base, moved
        self._remap: MemoryRemap

    @classmethod
    def of(cls, part: Part, moved: Callable[[], object]) -> list[BankAlias]:
        """None or one: not every part has the bit."""
        if part.aliasing is not Aliasing.FB_MODE or part.family not in BASES:
            return []
        return [cls(BASES[part.family], moved)]

    def power_on(self, flash: EmulatedFlash) -> None:
        """Another flash, or power is back."""
        self._remap = MemoryRemap(flash)
        self._remap.reset()

    def reset(self, *, power_on: bool) -> None:
        del power_on
        self._remap.reset()

    def read(self, offset: int, width: int) -> int:
        return self._remap.read(offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        self._remap.write(offset, width, value)
        self._moved()

    def state(self) -> Hashable:
        return self._remap.read(0)

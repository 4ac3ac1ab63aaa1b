"""SYSCFG_MEMRMP on the bus: which bank flash begins with, and what address 0 shows."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.machine.chips.catalogue import chip_of
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import Aliasing
from flash_emulator.registers import MemoryRemap
from flash_emulator.registers.syscfg import BASES

_SYSCFG = {
    **dict.fromkeys(("f0", "f3", "l4", "l4plus", "g0", "g4", "wb"), 0x4001_0000),
    **dict.fromkeys(("f2", "f4"), 0x4001_3800),
}
"""SYSCFG_MEMRMP, or CFGR1, of families that can show SRAM at address 0."""

_MODES, _SRAM = 3, 3


class MemoryMode:
    """MEM_MODE of a part without FB_MODE. A core without VTOR finds its vectors by it.

    *moved* is called when address 0 shows something else.
    """

    size = 4

    def __init__(self, base: int, moved: Callable[[], object]) -> None:
        self.base, self._moved, self._value = base, moved, 0

    @classmethod
    def of(cls, part: Part, moved: Callable[[], object]) -> list[MemoryMode]:
        """None or one."""
        base = _SYSCFG.get(chip_of(part).family)
        return [] if base is None else [cls(base, moved)]

    @property
    def shows_ram(self) -> bool:
        return self._value & _MODES == _SRAM

    def power_on(self, flash: EmulatedFlash) -> None:
        del flash
        self._value = 0

    def reset(self, *, power_on: bool) -> None:
        del power_on
        self._value = 0

    def read(self, offset: int, width: int) -> int:
        return self._value >> 8 * offset & (1 << 8 * width) - 1

    def write(self, offset: int, width: int, value: int) -> None:
        lanes = (1 << 8 * width) - 1 << 8 * offset
        self._value = self._value & ~lanes | value << 8 * offset & lanes
        self._moved()

    def held(self, word: int) -> int:
        """As ``read``."""
        return self.read(word, 4)

    def state(self) -> Hashable:
        return self._value


class BankAlias:
    """SYSCFG_MEMRMP, in front of the rest of SYSCFG. *moved* is called when banks change places."""

    size = 4

    def __init__(self, base: int, moved: Callable[[], object]) -> None:
        self.base, self._moved = base, moved
        self._remap: MemoryRemap

    @property
    def shows_ram(self) -> bool:
        """MEM_MODE: SRAM is at address 0."""
        return self._remap.read(0) & _MODES == _SRAM

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

    def held(self, word: int) -> int:
        """As ``read``."""
        return self.read(word, 4)

    def state(self) -> Hashable:
        return self._remap.read(0)

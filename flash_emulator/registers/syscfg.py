"""SYSCFG_MEMRMP: bit 8 lets software exchange the banks at run time.

Called FB_MODE on L4, L4+ and G4 (RM0440 9.2.1), UFB_MODE on F42x (RM0090 9.3.1), SWP_FB on F76x.
At 1 bank 2 is seen at the base of flash. The boot ROM sets it when BFB2 makes it start bank 2.
"""

from __future__ import annotations

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import AlignmentError
from flash_emulator.parts.part_model import Aliasing

# Section 3.1 and 3.2 of the CMSIS headers' memory maps: SYSCFG_BASE.
BASES = {"l4": 0x4001_0000, "f4": 0x4001_3800}

MEMRMP = 0x00
MEM_MODE = 0b111
FB_MODE = 1 << 8


class MemoryRemap:
    """The one SYSCFG register that concerns flash. Other offsets read as 0 and ignore writes."""

    def __init__(self, flash: EmulatedFlash) -> None:
        part = flash.part
        if part.aliasing is not Aliasing.FB_MODE or part.family not in BASES:
            raise AlignmentError(f"{part.name} has no FB_MODE")
        self.flash = flash
        self.base = BASES[part.family]
        self._mode = 0

    def reset(self) -> None:
        self._mode = 0

    def read(self, offset: int, width: int = 4) -> int:
        if offset & ~3 != MEMRMP:
            return 0
        value = self._mode | (FB_MODE if self.flash.mapped_bank else 0)
        return value >> 8 * (offset & 3) & (1 << 8 * width) - 1

    def write(self, offset: int, width: int, value: int) -> None:
        """FB_MODE counts at once: the next access goes to the other bank."""
        if offset & ~3 != MEMRMP:
            return
        shift = 8 * (offset & 3)
        lanes = ((1 << 8 * width) - 1) << shift
        value = self.read(MEMRMP) & ~lanes | value << shift & lanes
        self._mode = value & MEM_MODE
        self.flash.map_bank(1 if value & FB_MODE else 0)

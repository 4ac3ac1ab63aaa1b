"""Register fronts: the flash interface of each family, as firmware sees it.

    flash = EmulatedFlash(load_part("STM32L476xG"))
    front = front_for(flash)
    front.write(0x08, 4, 0x4567_0123)     # FLASH_KEYR
    front.store(0x0800_0000, 4, 0x1234)   # a write to the array
    front.load(0x0800_0000, 4)            # a read of it

A front translates accesses into calls of the device, and what comes back into flags. Accesses that
a CPU cannot take as done raise ``BusError``, ``Nmi`` or ``SystemReset``; ``PowerLoss`` passes
through, and the front must be ``reset`` when the device has been powered on again.
"""

from __future__ import annotations

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import AlignmentError
from flash_emulator.registers.base import Front
from flash_emulator.registers.f1 import F1Front
from flash_emulator.registers.f4 import F4Front
from flash_emulator.registers.faults import (
    AccessFault,
    BusError,
    Nmi,
    SystemReset,
    UnmodelledOption,
)
from flash_emulator.registers.h5 import H5Front
from flash_emulator.registers.h7 import H7Front
from flash_emulator.registers.l4 import L4Front
from flash_emulator.registers.syscfg import MemoryRemap

__all__ = [
    "AccessFault",
    "BusError",
    "F1Front",
    "F4Front",
    "Front",
    "H5Front",
    "H7Front",
    "L4Front",
    "MemoryRemap",
    "Nmi",
    "SystemReset",
    "UnmodelledOption",
    "front_for",
]


def front_for(flash: EmulatedFlash, *, poll_us: int = 1) -> Front:
    """The front of the part's family. Raises AlignmentError where there is none."""
    match flash.part.family:
        case "l4" | "u5":
            return L4Front(flash, poll_us=poll_us)
        case "f4":
            return F4Front(flash, poll_us=poll_us)
        case "f1":
            return F1Front(flash, poll_us=poll_us)
        case "h7" | "h7ab":
            return H7Front(flash, poll_us=poll_us)
        case "h5":
            return H5Front(flash, poll_us=poll_us)
        case family:
            raise AlignmentError(f"no register front for family {family!r} ({flash.part.name})")

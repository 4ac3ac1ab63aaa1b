"""The default layout of each part, and the image that a board without an image comes with."""

from __future__ import annotations

import struct

from flash_emulator import Part
from mcu_updater.errors import UsageError
from mcu_updater.slot import Layout

# part: sectors of the boot region, of the slot, and of each half of the trailer.
# The trailer lies where sectors are small. A half has room for header, records and a checkpoint.
_SECTORS = {
    "STM32L476xG": (16, 224, 3),  # 32 KiB, 448 KiB, 2 x 6 KiB; 20 KiB are the application's
}


def default_layout(part: Part) -> Layout:
    """How the banks of *part* are laid out. Raises UsageError where no layout is known."""
    if part.name not in _SECTORS:
        raise UsageError(
            f"no layout is known for {part.name}", expected=f"one of {', '.join(_SECTORS)}"
        )
    boot, slot, half = _SECTORS[part.name]
    return Layout.of(part, boot=boot, slot=slot, half=half)


def factory_image(address: int, version: str) -> bytes:
    """A minimal raw image for *address*: a vector table, an endless loop, and its version."""
    stack, reset = 0x2000_8000, address + 8
    return struct.pack("<IIHH", stack, reset | 1, 0xE7FE, 0xBF00) + f"factory {version}".encode()

"""Where things lie by the architecture and by the reference manuals, whatever holds them.

Armv7-M Architecture Reference Manual B3.1; ranges are pairs of address and size.
"""

from __future__ import annotations

from flash_emulator.parts.part import Part

PERIPHERALS = (0x4000_0000, 0x2000_0000)
PRIVATE = (0xE000_0000, 0x10_0000)
SYSTEM_MEMORY = ((0x1FF0_0000, 0x10_0000), (0x0BF8_0000, 0x8_0000), (0x08FF_F000, 0x1000))
MAIN_RAM = 0x2000_0000
_RAM_BITS = range(0x2200_0000, 0x2400_0000)
_PERIPHERAL_BITS = range(0x4200_0000, 0x4400_0000)
_NO_BITS = range(0), range(0)


def bit_bands_of(core: str) -> tuple[range, range]:
    """Where each bit of RAM, and of peripherals, is a word; empty where the core has none."""
    return (_RAM_BITS, _PERIPHERAL_BITS) if core in ("m3", "m4") else _NO_BITS


def banded(address: int, bits: range) -> tuple[int, int]:
    """Byte and bit behind a word of *bits*: what it shows begins 32 MiB below it."""
    word = (address - bits.start) // 4
    return bits.start - 0x200_0000 + word // 8, word % 8


def alias_of(part: Part, core: str, span: int) -> range:
    """Where flash is seen beside its place: at 0, or on the ITCM bus of an F7 (RM0410, 2.2.2). H7,
    and what has an M33, have nothing of that kind."""
    if core == "m7" and part.family == "f4":  # the registers' family
        return range(0x20_0000, 0x20_0000 + span)
    return range(0) if core in ("m7", "m33") else range(span)

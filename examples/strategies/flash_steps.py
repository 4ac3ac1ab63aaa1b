"""What every algorithm does with sectors: honest code erases before it writes, and reads back."""

from __future__ import annotations

from collections.abc import Iterator

from examples.strategies.world import Stuck
from flash_emulator import EmulatedFlash

CHUNK = 4096  # bytes that are read and programmed at a time, where a sector has as many


def copy_sector(flash: EmulatedFlash, source: int, target: int, size: int) -> None:
    """Erase the sector at *target*, copy *size* bytes to it, and read them back."""
    flash.erase(target)
    chunk = min(CHUNK, size)
    for at in range(0, size, chunk):
        flash.program(target + at, bytes(flash.read(source + at, chunk)))
    if flash.sha256(target, size) != flash.sha256(source, size):
        raise Stuck(f"the copy to 0x{target:08X} reads otherwise than its source")


def write_image(
    flash: EmulatedFlash, addresses: tuple[int, ...], size: int, image: bytes
) -> Iterator[int]:
    """Erase the sectors at *addresses*, of *size* bytes each; write *image* and read it back."""
    for number, address in enumerate(addresses):
        piece = image[number * size : (number + 1) * size]
        flash.erase(address)
        flash.program(address, piece)
        if flash.match(address, piece) < len(piece):
            raise Stuck(f"what was written at 0x{address:08X} reads otherwise")
        yield number

"""A toy bootloader: it installs the image that an update has left in STAGED into RUN.

A staged image ends in its CRC. Sector RUN holds the image and, in a unit of its own behind it, a
mark. The mark is programmed last of all, so where it reads right, the image before it was
programmed to the end with power on: no cell of it can fade.
"""

from __future__ import annotations

import zlib

from flash_emulator import EmulatedFlash, UnreadableUnit

RUN, STAGED = 0x0800_8000, 0x0800_8800  # two sectors of an STM32L476
SIZE = 64  # of an image, its CRC included
MARK = RUN + SIZE


def boot(flash: EmulatedFlash) -> None:
    """Install what is staged, unless it was installed before."""
    staged = read(flash, STAGED, SIZE)
    if is_image(staged) and read(flash, MARK, 8) != mark_of(staged):
        flash.erase(RUN)
        flash.program(RUN, staged)
        flash.program(MARK, mark_of(staged))


def is_image(data: bytes) -> bool:
    return zlib.crc32(data[:-4]).to_bytes(4, "little") == data[-4:]


def mark_of(image: bytes) -> bytes:
    return b"DONE" + image[-4:]


def read(flash: EmulatedFlash, address: int, size: int) -> bytes:
    """What flash holds; nothing where the ECC gives up."""
    try:
        return flash.read(address, size)
    except UnreadableUnit:
        return b""

"""A delta is applied to the only copy of what it needs.

Each block of the new image is made of the old block at the same place, and replaces it. After a
cut the delta is applied from the beginning: to blocks that are new already, or that are half
erased.

Mended: each new block goes to a scratch sector first. One mark says that it is whole there,
another one that it has come to its place; what is found at boot is made firm before anything
relies on it.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import (
    always,
    holds,
    install,
    is_firmly_marked,
    is_marked,
    mark,
    mark_anew,
)
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

BLOCKS = 0x0800_8000, 0x0800_8800
SCRATCH, DONE = 0x0800_9000, 0x0800_9800
SAVED, PLACED = (0x0800_A000, 0x0800_A800), (0x0800_B000, 0x0800_B800)
OLD = b"block A1", b"block B1"
NEW = b"block A2", b"block B2"


def prepare(flash: EmulatedFlash) -> None:
    for block, data in zip(BLOCKS, OLD, strict=True):
        flash.preload(block, data)


def patched(data: bytes) -> bytes:
    """The delta of each block: the digit that is the version."""
    return data[:-1] + bytes([data[-1] ^ ord("1") ^ ord("2")])


def in_place(flash: EmulatedFlash) -> None:
    for block in BLOCKS:
        install(flash, block, patched(flash.read(block, 8)))


def by_way_of_scratch(flash: EmulatedFlash) -> None:
    for block, saved, placed in zip(BLOCKS, SAVED, PLACED, strict=True):
        if is_firmly_marked(flash, placed):
            continue
        if not is_firmly_marked(flash, saved):
            flash.erase(saved)
            install(flash, SCRATCH, patched(flash.read(block, 8)))
            mark(flash, saved)
        flash.erase(placed)
        install(flash, block, flash.read(SCRATCH, 8))
        mark(flash, placed)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_marked(flash, DONE):
        return
    if mended:
        by_way_of_scratch(flash)
    else:
        in_place(flash)
    mark_anew(flash, DONE)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: all(map(lambda *a: holds(f, *a), BLOCKS, NEW))):
        raise Violation("safe", "what runs is not the new image")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

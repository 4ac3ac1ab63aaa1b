"""What reads right once is taken for good.

An image is installed, read back, and found right; so the staged one is erased. But the last unit
was programmed while power went: it reads right now, and not for long. When it fades, there is
nothing left to install from.

Mended: what a boot finds there is not trusted. Only what was programmed with power on counts, and
a mark says so.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import (
    always,
    holds,
    install,
    is_blank,
    is_firmly_marked,
    mark,
)
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

SLOT, STAGED, INSTALLED = 0x0800_8000, 0x0800_8800, 0x0800_9000
IMAGE = b"image 2, of 16 b"


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(SLOT, b"image 1, of 16 b")
    flash.preload(STAGED, IMAGE)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_blank(flash, STAGED, len(IMAGE)):
        return
    if not mended and not holds(flash, SLOT, IMAGE) and holds(flash, STAGED, IMAGE):
        install(flash, SLOT, IMAGE)
    if mended and not is_firmly_marked(flash, INSTALLED):
        flash.erase(INSTALLED)
        install(flash, SLOT, IMAGE)
        mark(flash, INSTALLED)
    flash.erase(STAGED)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, SLOT, IMAGE)):
        raise Violation("safe", "the slot does not always read as the image, and none is staged")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

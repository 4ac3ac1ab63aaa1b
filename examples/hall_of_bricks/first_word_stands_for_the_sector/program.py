"""A sector is taken for erased because its first word is blank.

To save time, a sector is erased only where its first word is not blank. A cut in its erase may
leave that word blank and others not: the image is programmed onto what is left there.

Mended: the sector is erased, whatever it reads.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds, is_blank, is_marked, mark
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

SLOT, DONE = 0x0800_8000, 0x0800_C000
OLD, NEW = bytes.fromhex("00000000") * 4, bytes.fromhex("78563412") * 4


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(SLOT, OLD)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_marked(flash, DONE):
        return
    flash.erase(DONE)
    if mended or not is_blank(flash, SLOT, 4):
        flash.erase(SLOT)
    flash.program(SLOT, NEW)
    mark(flash, DONE)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, SLOT, NEW)):
        raise Violation("safe", "the slot does not hold the new image")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

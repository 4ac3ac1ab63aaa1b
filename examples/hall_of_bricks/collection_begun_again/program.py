"""A garbage collection that is begun again with half a sector.

What is live of a full sector is copied to the other one, and the full sector is erased. At start,
a sector that is not blank means that a collection was broken off: it is begun anew, with the erase
of the copy. But the cut was in the erase of the full sector, and what is left there is no longer
valid: both are lost.

Mended: a mark says that the copy is whole. With it, only the erase is repeated.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import (
    always,
    holds,
    is_blank,
    is_firmly_marked,
    mark,
)
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

FULL, COPY = 0x0800_8000, 0x0800_8800
WHOLE = COPY + 8
LIVE = b"live key"


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(FULL, LIVE + b"old key.")


def copy_live(flash: EmulatedFlash) -> None:
    flash.erase(COPY)
    if holds(flash, FULL, LIVE):
        flash.program(COPY, LIVE)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_blank(flash, FULL, 16):
        return
    if not mended:
        copy_live(flash)
    elif not is_firmly_marked(flash, WHOLE):
        copy_live(flash)
        mark(flash, WHOLE)
    flash.erase(FULL)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, COPY, LIVE)):
        raise Violation("safe", "the live record is lost")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

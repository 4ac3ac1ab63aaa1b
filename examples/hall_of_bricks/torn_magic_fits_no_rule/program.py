"""A state that no rule provides for.

Version 2 was not confirmed and has to go. The trailer of the other slot is prepared for that, its
magic last. A cut tears the magic: it is neither unset nor good, and the table of states has no
line for that. Nothing is done; version 2 stays, for good.

Mended: the magic does not matter. That version 2 was not confirmed is enough.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import (
    always,
    holds,
    install,
    is_blank,
    is_marked,
    mark,
    program_if_blank,
)
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

SLOT, TRAILER, CONFIRMED = 0x0800_8000, 0x0800_8800, 0x0800_9000
KIND = b"revert.."
MAGIC, GOOD = TRAILER + 8, b"\x77\xc2\x95\xf3\x60\xd2\xef\x7f"
ONE, TWO = b"image 1.", b"image 2."  # version 1 lies in the other slot, too


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(SLOT, TWO)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_marked(flash, CONFIRMED):
        return
    if is_blank(flash, MAGIC, 8):
        program_if_blank(flash, TRAILER, KIND)
        program_if_blank(flash, MAGIC, GOOD)
    if mended or holds(flash, MAGIC, GOOD):
        flash.erase(CONFIRMED)
        install(flash, SLOT, ONE)
        mark(flash, CONFIRMED)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, SLOT, ONE)):
        raise Violation("safe", "the image that failed its trial runs on")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

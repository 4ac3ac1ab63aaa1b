"""A status is programmed, and after a cut it is programmed again.

A garbage collection begins with a status in the sector's header. When a cut has broken it off, it
is begun again, with the status: but this flash takes a unit once, it has an ECC. The write fails,
and with it the start of the device, every time.

Mended: what is there already is not programmed again, and a refusal is not the end.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import (
    always,
    holds,
    install,
    is_blank,
    is_marked,
    mark_anew,
    program_if_blank,
)
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

SECTOR, COPY, DONE = 0x0800_8000, 0x0800_8800, 0x0800_9000
STATUS = SECTOR + 16
LIVE, COLLECTING = b"live key", b"COLLECT."


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(SECTOR, LIVE)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_marked(flash, DONE):
        return
    flash.erase(DONE)
    if not mended:
        flash.program(STATUS, COLLECTING)
    elif is_blank(flash, STATUS, 8):
        program_if_blank(flash, STATUS, COLLECTING)
    install(flash, COPY, LIVE)
    mark_anew(flash, DONE)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, COPY, LIVE)):
        raise Violation("safe", "the copy is not whole")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

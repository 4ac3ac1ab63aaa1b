"""A revert that a cut breaks off is taken for an upgrade.

Version 2 failed its trial; the images are swapped back. That it is a revert is known only in RAM.
After a cut the swap is completed, and then version 1 counts as an upgrade on trial which nobody
confirms: at the next start the images are swapped once more, and version 2 runs.

Mended: what kind of swap it is stands in flash before it begins.
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

SLOT, OTHER, SCRATCH, KIND, CONFIRMED = (0x0800_8000 + 0x800 * page for page in range(5))
STEPS = 0x0800_C000, 0x0800_C800, 0x0800_D000
ONE, TWO = b"image 1.", b"image 2."


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(SLOT, TWO)
    flash.preload(OTHER, ONE)


def swap(flash: EmulatedFlash, done: list[bool]) -> None:
    """*done*: steps that are recorded."""
    moves = (SCRATCH, SLOT), (SLOT, OTHER), (OTHER, SCRATCH)
    for number, (to, source) in enumerate(moves):
        if not any(done[number:]):
            flash.erase(STEPS[number])
            install(flash, to, flash.read(source, 8))
            mark(flash, STEPS[number])


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_marked(flash, CONFIRMED):
        return
    done = [is_firmly_marked(flash, step) for step in STEPS]
    if mended and not any(done) and not is_firmly_marked(flash, KIND):
        mark_anew(flash, KIND)
    is_revert = is_firmly_marked(flash, KIND) if mended else not any(done)
    swap(flash, done)
    if is_revert:
        mark_anew(flash, CONFIRMED)
    else:
        for step in STEPS:
            flash.erase(step)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, SLOT, ONE)):
        raise Violation("safe", "the image that failed its trial runs")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

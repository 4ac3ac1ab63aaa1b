"""A copy is verified where it came from.

A module is copied into its place. After a reset, what was begun is only verified, and then it is
done: but what is verified is the source. Half a copy counts as a whole one.

Mended: what was begun is begun again, and verified where it will run.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds, install, is_marked, mark, mark_anew
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

PLACE, SOURCE, BEGUN, DONE = (0x0800_8000 + 0x800 * page for page in range(4))
OLD, NEW = b"module 1" * 2, b"module 2" * 2


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(PLACE, OLD)
    flash.preload(SOURCE, NEW)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_marked(flash, DONE):
        return
    flash.erase(DONE)
    if mended or not is_marked(flash, BEGUN):
        mark_anew(flash, BEGUN)
        install(flash, PLACE, NEW)
    if holds(flash, PLACE if mended else SOURCE, NEW):
        mark(flash, DONE)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, PLACE, NEW)):
        raise Violation("safe", "what runs is no whole module")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

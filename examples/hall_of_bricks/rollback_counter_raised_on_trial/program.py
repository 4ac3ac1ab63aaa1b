"""The rollback counter is raised for an image that is still on trial.

The security counter follows an image when nothing was upgraded in this boot: then what runs is
confirmed. But an upgrade that a cut has broken off, and that this boot has only completed, counts
as none. Version 2 fails its trial, version 1 comes back, and the counter forbids it: nothing may
start.

Mended: the counter is raised by the confirmation alone.
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

SLOT, BEGUN, TRIAL, REVERTED, COUNTER = (0x0800_8000 + 0x800 * page for page in range(5))
ONE, TWO = b"image 1.", b"image 2."  # version 2 is sound, and does not work


def prepare(flash: EmulatedFlash) -> None:
    """Both images lie elsewhere, too."""
    flash.preload(SLOT, ONE)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    """Upgrade, let it run, and go back, for it does not work."""
    if not is_firmly_marked(flash, TRIAL):
        is_resumed = is_marked(flash, BEGUN)
        if not is_resumed:
            mark_anew(flash, BEGUN)
        install(flash, SLOT, TWO)
        mark_anew(flash, TRIAL)
        if is_resumed and not mended:
            mark_anew(flash, COUNTER)
    if not is_marked(flash, REVERTED):
        flash.erase(REVERTED)
        install(flash, SLOT, ONE)
        mark(flash, REVERTED)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, SLOT, ONE)):
        raise Violation("safe", "version 1 did not come back")
    if not always(flash, lambda f: not is_marked(f, COUNTER)):
        raise Violation("live", "version 1 is back, and the rollback counter forbids it")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

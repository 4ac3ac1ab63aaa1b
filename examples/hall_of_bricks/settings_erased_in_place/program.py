"""Settings are erased where they stand, and written again.

One sector holds the settings. To save them it is erased and programmed. A cut in between, and
there are none: the device wakes up as it left the factory, or not at all.

Mended: the new ones go to another sector, with a mark behind them; the old ones stay.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds, install, is_marked, mark
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

PLACE, OTHER = 0x0800_8000, 0x0800_8800
VALID = OTHER + 16
OLD, NEW = b"settings, first.", b"settings, second"


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(PLACE, OLD)


def are_new(flash: EmulatedFlash) -> bool:
    return holds(flash, PLACE, NEW) or (is_marked(flash, VALID) and holds(flash, OTHER, NEW))


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    """The user changes them, once."""
    if are_new(flash) or not holds(flash, PLACE, OLD):
        return
    if mended:
        install(flash, OTHER, NEW)
        mark(flash, VALID)
    else:
        install(flash, PLACE, NEW)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, PLACE, OLD) or are_new(f)):
        raise Violation("safe", "neither the old settings are there nor the new ones")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

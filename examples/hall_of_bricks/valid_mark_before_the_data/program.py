"""A block is marked as valid, and filled then.

A setting lives in one of two blocks. To save it, the old block is retired, the new one is marked
as valid, and then the data go into it. A cut after the mark: the only valid block is blank, and
the setting is gone.

Mended: data, mark, and only then the old block is retired.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds, is_marked, mark
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

OLD_BLOCK, NEW_BLOCK = 0x0800_8000, 0x0800_8800
VALID, DATA, RETIRED = 0, 8, 16
OLD, NEW = b"setting1", b"setting2"


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(OLD_BLOCK + VALID, bytes(8))
    flash.preload(OLD_BLOCK + DATA, OLD)


def has(flash: EmulatedFlash, block: int, value: bytes) -> bool:
    valid = is_marked(flash, block + VALID) and not is_marked(flash, block + RETIRED)
    return valid and holds(flash, block + DATA, value)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    """The user changes the setting, once."""
    if has(flash, NEW_BLOCK, NEW) or not has(flash, OLD_BLOCK, OLD):
        return
    if mended:
        flash.erase(NEW_BLOCK)
        flash.program(NEW_BLOCK + DATA, NEW)
        mark(flash, NEW_BLOCK + VALID)
        mark(flash, OLD_BLOCK + RETIRED)
    else:
        mark(flash, OLD_BLOCK + RETIRED)
        mark(flash, NEW_BLOCK + VALID)
        flash.program(NEW_BLOCK + DATA, NEW)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: has(f, OLD_BLOCK, OLD) or has(f, NEW_BLOCK, NEW)):
        raise Violation("safe", "neither the old setting is there nor the new one")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

"""A journal that each cut makes fuller.

A record goes into the next blank slot of a page; one that a cut has torn is passed over. When no
slot is blank, the start fails: what would make room comes later, and is never reached. Few cuts
fill a page, if they come at the right time.

Mended: a page that holds anything but records and blank slots is erased.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds, is_blank, program_if_blank
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

PAGE, SLOTS = 0x0800_8000, 3
RECORD = b"started."


def prepare(flash: EmulatedFlash) -> None:
    """The journal is blank."""
    del flash


def slots() -> range:
    return range(PAGE, PAGE + 8 * SLOTS, 8)


def is_recorded(flash: EmulatedFlash) -> bool:
    return any(holds(flash, slot, RECORD) for slot in slots())


def append(flash: EmulatedFlash) -> bool:
    """Whether there was room."""
    free = (slot for slot in slots() if is_blank(flash, slot, 8))
    return any(program_if_blank(flash, slot, RECORD) for slot in free)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    """That it was started is recorded."""
    if is_recorded(flash):
        return
    is_damaged = not all(is_blank(flash, slot, 8) for slot in slots())
    if mended and is_damaged:
        flash.erase(PAGE)
    if not append(flash) and mended:
        flash.erase(PAGE)
        append(flash)


def verdict(flash: EmulatedFlash) -> None:
    """Without a record and without room for one it stops here, now and at every start."""

    def goes_on(f: EmulatedFlash) -> bool:
        return is_recorded(f) or any(is_blank(f, slot, 8) for slot in slots())

    if not always(flash, goes_on):
        raise Violation("live", "the journal has no room for its record: the start fails")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

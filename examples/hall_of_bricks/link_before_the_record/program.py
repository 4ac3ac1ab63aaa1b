"""A list is linked to a record that is not there yet.

Records are a list in flash. A new one is allocated: the link to it is programmed, in another
sector than the record, and the caller fills the record afterwards. A cut in between: the list goes
to blank flash.

Mended: the record first, then the link. What is found of them is programmed again, since a cut may
have left it weak; this flash takes that.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

LINK, RECORD = 0x0800_8000, 0x0800_C000
TO_RECORD = RECORD.to_bytes(4, "little")
DATA = b"the new data"


def prepare(flash: EmulatedFlash) -> None:
    """The list has one record, and ends: its link is blank."""
    flash.preload(LINK + 4, b"the old data")


def fill(flash: EmulatedFlash) -> None:
    if not holds(flash, RECORD, DATA):
        flash.erase(RECORD)
    flash.program(RECORD, DATA)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    """What is linked already is taken as it is."""
    is_linked = holds(flash, LINK, TO_RECORD)
    if mended:
        if not is_linked:
            fill(flash)
        flash.program(LINK, TO_RECORD)
    elif not is_linked:
        flash.program(LINK, TO_RECORD)
        fill(flash)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, LINK, TO_RECORD) and holds(f, RECORD, DATA)):
        raise Violation("safe", "the list does not lead to the new record")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

"""The backup is given up before the repair is done.

Settings are saved in place, and a backup is there for the case that a cut breaks that off. The
repair takes the backup once: it marks it as used, and then copies it back. A second cut, in the
repair, and neither is left.

Mended: the backup stays what it is.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds, install, is_marked, mark
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

PLACE, BACKUP = 0x0800_8000, 0x0800_8800
VALID, USED = 8, 16
OLD, NEW = b"setting1", b"setting2"


def prepare(flash: EmulatedFlash) -> None:
    for sector in (PLACE, BACKUP):
        flash.preload(sector, OLD)
        flash.preload(sector + VALID, bytes(8))


def has(flash: EmulatedFlash, sector: int, value: bytes) -> bool:
    return is_marked(flash, sector + VALID) and holds(flash, sector, value)


def backup_is_there(flash: EmulatedFlash) -> bool:
    return has(flash, BACKUP, OLD) and not is_marked(flash, BACKUP + USED)


def save(flash: EmulatedFlash, value: bytes) -> None:
    install(flash, PLACE, value)
    mark(flash, PLACE + VALID)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if has(flash, PLACE, NEW):
        return
    if not has(flash, PLACE, OLD):
        if not backup_is_there(flash):
            return
        if not mended:
            mark(flash, BACKUP + USED)
        save(flash, OLD)
    save(flash, NEW)


def verdict(flash: EmulatedFlash) -> None:
    def is_left(f: EmulatedFlash) -> bool:
        return has(f, PLACE, NEW) or has(f, PLACE, OLD) or backup_is_there(f)

    if not always(flash, is_left):
        raise Violation("safe", "no settings are left")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

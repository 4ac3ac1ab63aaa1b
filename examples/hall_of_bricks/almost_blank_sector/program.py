"""A sector that is almost blank, and a length that is taken from it.

Records have been moved to another sector, and the old one is erased. A cut leaves it almost blank:
what reads as the first header there has a length beyond all bounds. The reader ends in an error,
at every boot.

Mended: a length that cannot be is damage; the sector counts as one that is still to be erased.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds, is_blank
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

OLD_SECTOR, NEW_SECTOR = 0x0800_8000, 0x0800_C000
RECORD = bytes.fromhex("0400 2b51") + b"live"  # length, check, data
MOST = 64


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(OLD_SECTOR, RECORD)
    flash.preload(NEW_SECTOR, RECORD)


def first_record(flash: EmulatedFlash, sector: int, *, mended: bool) -> bytes:
    """Its data; none where there is no record."""
    header = flash.read(sector, 4)
    length = int.from_bytes(header[:2], "little")
    if header == b"\xff" * 4:
        return b""
    if length > MOST:
        if mended:
            return b""
        raise ValueError(f"a record of {length} bytes does not fit into the buffer")
    return flash.read(sector + 4, length)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    first_record(flash, OLD_SECTOR, mended=mended)
    first_record(flash, NEW_SECTOR, mended=mended)
    if not is_blank(flash, OLD_SECTOR, 8):
        flash.erase(OLD_SECTOR)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, NEW_SECTOR, RECORD)):
        raise Violation("safe", "the record is lost")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

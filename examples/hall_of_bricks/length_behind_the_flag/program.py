"""The flag says that a record is there before its length is.

A log is read from record to record: where the flag is set, the next one is as far away as the
length says. A record is begun with its flag. A cut right behind that: the length reads 0xFFFF, and
the reader runs out of the flash, at every boot.

Mended: the flag comes last, a length that cannot be is damage, and a log is written anew whole.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import holds, is_marked, mark
from flash_emulator import EmulatedFlash

LOG = 0x0800_C000
DATA = b"boot"
LENGTH = len(DATA).to_bytes(2, "little")
RECORD = 4 + len(DATA)
MOST = 8


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(LOG, bytes(2) + LENGTH + b"made")


def end_of(flash: EmulatedFlash, *, mended: bool) -> int:
    """Behind the last record."""
    at = LOG
    while is_marked(flash, at):
        length = int.from_bytes(flash.read(at + 2, 2), "little")
        if mended and length > MOST:
            return at
        at += 4 + length
    return at


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    """That it was started is to be in the log."""
    end = end_of(flash, mended=mended)
    if end > LOG and holds(flash, end - len(DATA), DATA):
        return
    if mended:
        flash.erase(LOG)
        flash.program(LOG + 2, LENGTH + DATA)
        mark(flash, LOG)
    else:
        mark(flash, end)
        flash.program(end + 2, LENGTH + DATA)


def verdict(flash: EmulatedFlash) -> None:
    """What is asked is whether it starts. A log may lose what was being written to it."""
    del flash


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

"""The flag says that a record is there before its length is.

A log is read from record to record: where the flag is set, the next one is as far away as the
length says. A record is begun with its flag. A cut right behind that: the length reads 0xFFFF, and
the reader runs out of the flash, at every boot.

Mended: the flag comes last, and a length that cannot be is damage. Where the log does not end in
blank flash, a cut was there: it is written anew to another sector, whole, and then a mark says
that it goes on there.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import (
    always,
    is_blank,
    is_firmly_marked,
    is_marked,
    mark,
    program_if_blank,
)
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

LOG, NEXT_LOG, MOVED = 0x0800_C000, 0x0800_C400, 0x0800_C800
DATA = b"boot"
LENGTH = len(DATA).to_bytes(2, "little")
RECORD = 4 + len(DATA)
FIRST = b"made"
MOST = 8


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(LOG, bytes(2) + LENGTH + FIRST)


def records(flash: EmulatedFlash, log: int, *, mended: bool) -> tuple[list[bytes], int]:
    """The data of all of them, and the address behind the last one."""
    found, at = [], log
    while is_marked(flash, at):
        length = int.from_bytes(flash.read(at + 2, 2), "little")
        if mended and length > MOST:
            break
        found.append(flash.read(at + 4, length))
        at += 4 + length
    return found, at


def append_flag_first(flash: EmulatedFlash, at: int) -> None:
    mark(flash, at)
    flash.program(at + 2, LENGTH + DATA)


def append_flag_last(flash: EmulatedFlash, at: int, data: bytes = DATA) -> bool:
    """Whether it is there: behind a cut flash may read blank, and yet refuse."""
    done = is_blank(flash, at, RECORD) and program_if_blank(flash, at + 2, LENGTH + data)
    if done:
        mark(flash, at)
    return done


def move(flash: EmulatedFlash, found: list[bytes]) -> None:
    flash.erase(MOVED)
    flash.erase(NEXT_LOG)
    for number, data in enumerate([*found, DATA]):
        append_flag_last(flash, NEXT_LOG + number * RECORD, data)
    mark(flash, MOVED)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    """That it was started is to be in the log."""
    if mended and is_firmly_marked(flash, MOVED):
        return
    found, end = records(flash, LOG, mended=mended)
    if DATA in found:
        return
    if not mended:
        append_flag_first(flash, end)
    elif not append_flag_last(flash, end):
        move(flash, found)


def verdict(flash: EmulatedFlash) -> None:
    """What was in the log stays there; what a cut kept from being written may be missing."""

    def is_kept(f: EmulatedFlash) -> bool:
        log = NEXT_LOG if is_marked(f, MOVED) else LOG
        return FIRST in records(f, log, mended=True)[0]

    if not always(flash, is_kept):
        raise Violation("safe", "the first record is lost")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)

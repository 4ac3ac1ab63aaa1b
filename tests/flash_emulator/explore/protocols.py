"""Toy protocols whose states grow as they are known to, on a part of *size* sectors a bank."""

from __future__ import annotations

from flash_emulator import EmulatedFlash, FlashError, ProgramError
from flash_emulator.explore import ExternalState, FunctionSubject, Nothing, Subject
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT, part

DONE = b"\x5a\xa5\x3c\xc3" * 2
PAYLOAD = bytes(range(1, SECTOR - UNIT + 1))
World = tuple[Subject, EmulatedFlash, ExternalState]


def fresh(size: int) -> EmulatedFlash:
    return EmulatedFlash(part(sector_sizes=(SECTOR,) * size, bulk_erase="parallel"))


def sector(flash: EmulatedFlash, bank: int, index: int) -> int:
    return BASE + bank * flash.part.bank_size + index * SECTOR


def marked(flash: EmulatedFlash, start: int) -> bool:
    """Whether the sector's last unit says that it is done."""
    return read(flash, start + SECTOR - UNIT) == DONE


def read(flash: EmulatedFlash, address: int) -> bytes:
    try:
        return flash.read(address, UNIT)
    except FlashError:
        return b""


def fill(flash: EmulatedFlash) -> None:
    """Bank 1 anew, in one erase and from the first sector on; the last one's mark tells its end."""
    flash.erase_bank(1)
    for index in range(len(flash.part.sector_sizes)):
        start = sector(flash, 1, index)
        flash.program(start, PAYLOAD)
        flash.program(start + SECTOR - UNIT, DONE)


# --- linear: after each cut one operation brings everything back to where it began


def begin_anew(flash: EmulatedFlash) -> None:
    if not marked(flash, sector(flash, 1, len(flash.part.sector_sizes) - 1)):
        fill(flash)


def linear(size: int) -> World:
    return FunctionSubject(begin_anew), fresh(size), Nothing()


# --- quadratic: and a note of how far the last attempt came, beside how far this one has come


def begin_anew_and_note(flash: EmulatedFlash) -> None:
    sectors = len(flash.part.sector_sizes)
    if marked(flash, sector(flash, 1, sectors - 1)):
        return
    done = sum(marked(flash, sector(flash, 1, index)) for index in range(sectors))
    flash.erase_bank(0)
    flash.program(BASE, bytes([done + 1]) * UNIT)
    fill(flash)


def quadratic(size: int) -> World:
    return FunctionSubject(begin_anew_and_note), fresh(size), Nothing()


# --- exponential: a mark that a cut has left weak or torn is never put right


def skip_torn_records(flash: EmulatedFlash) -> None:
    """A record a sector; where one cannot be written, the next place in the sector is taken."""
    for index in range(len(flash.part.sector_sizes)):
        start = sector(flash, 1, index)
        record(flash, start)


def record(flash: EmulatedFlash, start: int) -> None:
    for address in (start, start + UNIT):
        if read(flash, address) == DONE:
            return
        try:
            flash.program(address, DONE)
        except ProgramError:
            continue
        return


def exponential(size: int) -> World:
    return FunctionSubject(skip_torn_records), fresh(size), Nothing()

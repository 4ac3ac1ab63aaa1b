"""What the hall's programs in Python do with flash: compare, copy, and marks that no cut can fake.

A mark is a unit of zeros. Flash takes zeros at any time, so a mark that is found can be programmed
again: what a cut has left weak of it is firm after that.
"""

from __future__ import annotations

from collections.abc import Callable

from flash_emulator import EmulatedFlash, MetastableMode, ProgramError


def holds(flash: EmulatedFlash, address: int, data: bytes) -> bool:
    """Whether it reads so; what cannot be read holds nothing."""
    return flash.match(address, data) == len(data)


def is_blank(flash: EmulatedFlash, address: int, size: int) -> bool:
    return holds(flash, address, b"\xff" * size)


def install(flash: EmulatedFlash, sector: int, data: bytes) -> None:
    flash.erase(sector)
    flash.program(sector, data)


def zeros(flash: EmulatedFlash) -> bytes:
    return bytes(flash.part.program_unit)


def mark(flash: EmulatedFlash, address: int) -> None:
    """Set a mark in blank flash, or once more where one is."""
    flash.program(address, zeros(flash))


def is_marked(flash: EmulatedFlash, address: int) -> bool:
    return holds(flash, address, zeros(flash))


def is_firmly_marked(flash: EmulatedFlash, address: int) -> bool:
    """As ``is_marked``; a mark that is there is firm after that."""
    found = is_marked(flash, address)
    if found:
        mark(flash, address)
    return found


def mark_anew(flash: EmulatedFlash, sector: int) -> None:
    """The mark of a sector of its own, whatever a cut has left there."""
    flash.erase(sector)
    mark(flash, sector)


def program_if_blank(flash: EmulatedFlash, address: int, data: bytes) -> bool:
    """Whether flash has taken it: a unit may read blank after a cut, and yet refuse."""
    try:
        flash.program(address, data)
    except ProgramError:
        return False
    return True


def always(flash: EmulatedFlash, check: Callable[[EmulatedFlash], bool]) -> bool:
    """Whether *check* holds however the bits read that a cut has left undecided."""
    for mode in MetastableMode:
        twin = flash.fork()
        twin.metastable_mode = mode
        if not check(twin):
            return False
    return True

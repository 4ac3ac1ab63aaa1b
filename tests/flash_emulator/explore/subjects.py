"""Small boot functions to search through. All at module level: other processes import them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from flash_emulator import EmulatedFlash, ProgramError
from flash_emulator.explore import Violation
from tests.flash_emulator.explore.protocols import DONE, read
from tests.flash_emulator.tiny_silicon import BASE, ERASED, SECTOR, UNIT, flash, units

PAYLOAD = units(0, 6)
MARK = BASE + SECTOR - UNIT
SPARE = BASE + SECTOR


def install(device: EmulatedFlash) -> None:
    """A sector with a mark that comes last."""
    if read(device, MARK) != DONE:
        device.erase(BASE)
        device.program(BASE, PAYLOAD)
        device.program(MARK, DONE)


def installed(device: EmulatedFlash) -> None:
    for offset in range(0, len(PAYLOAD), UNIT):
        if read(device, BASE + offset) != PAYLOAD[offset : offset + UNIT]:
            raise Violation("safe", "the payload is not whole")


def mark_first(device: EmulatedFlash) -> None:
    if read(device, MARK) != DONE:
        device.erase(BASE)
        device.program(MARK, DONE)
        device.program(BASE, PAYLOAD)


def trust_what_reads_right(device: EmulatedFlash) -> None:
    """No mark: two cuts in a row are needed to see what is wrong with it."""
    if any(
        read(device, BASE + offset) != PAYLOAD[offset : offset + UNIT]
        for offset in range(0, len(PAYLOAD), UNIT)
    ):
        device.erase(BASE)
        device.program(BASE, PAYLOAD)
        if read(device, SPARE) != ERASED:
            device.erase(SPARE)
        device.program(SPARE, DONE)


def trust_blank(device: EmulatedFlash) -> None:
    """What reads erased is not erased again; the controller may refuse it."""
    if read(device, BASE) == ERASED:
        device.program(BASE, DONE)
    elif read(device, BASE) != DONE:
        device.erase(BASE)
        device.program(BASE, DONE)


def note_blank(device: EmulatedFlash) -> None:
    """It erases, looks, notes that the sector is blank, and takes that for granted from then on."""
    if read(device, SPARE) != DONE:
        if read(device, BASE) != ERASED:
            device.erase(BASE)
        device.erase(SPARE)
        device.program(SPARE, DONE)


def still_blank(device: EmulatedFlash) -> None:
    if read(device, SPARE) == DONE and read(device, BASE) != ERASED:
        raise Violation("safe", "what was noted as blank is not")


def two_sectors(device: EmulatedFlash) -> Iterator[tuple[str, int]]:
    """Yields its memory between the sectors, so that runs are joined there."""
    for index in range(2):
        start = BASE + index * SECTOR
        if read(device, start + SECTOR - UNIT) != DONE:
            device.erase(start)
            device.program(start, units(index, 1))
            device.program(start + SECTOR - UNIT, DONE)
        yield "done", index


# --- what a search must not believe


def idle(device: EmulatedFlash) -> None:
    device.read(BASE, UNIT)


def erase_what_is_erased(device: EmulatedFlash) -> None:
    device.erase(BASE)


_rng = random.Random(1)


def draw_lots(device: EmulatedFlash) -> None:
    """No two boots need do the same."""
    for index in range(_rng.randint(1, 4)):
        device.erase(BASE + index * SECTOR)
        device.program(BASE + index * SECTOR, units(0, 8))


def forgetful(device: EmulatedFlash) -> Iterator[str]:
    """It remembers what it read, and does not yield it."""
    damaged = read(device, BASE) != DONE
    device.erase(BASE)
    device.program(BASE, DONE)
    yield "what it read is not told"
    device.erase(BASE + SECTOR)
    if damaged:
        device.program(BASE + SECTOR, DONE)


# --- runs that never end


def wait_for_ever(device: EmulatedFlash) -> Iterator[str]:
    device.erase(BASE)
    device.program(BASE, DONE)
    while True:
        yield "waiting"


def erase_until_it_holds(device: EmulatedFlash) -> Iterator[str]:
    """The controller refuses a unit that a cut has consumed; the wrong sector is erased for it."""
    while read(device, SPARE) != DONE:
        try:
            device.program(SPARE, DONE)
        except ProgramError:
            device.erase(BASE)
            yield "again"


def work_for_ever(device: EmulatedFlash) -> None:
    while True:
        device.erase(BASE)
        device.program(BASE, DONE)


def tiny(*, ecc: bool = True, seed: int = 0) -> EmulatedFlash:
    """With an old payload in the first sector."""
    device = flash(ecc=ecc, seed=seed)
    device.preload(BASE, units(0x40, 8))
    return device

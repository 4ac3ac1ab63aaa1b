"""Records that are not written are alike, whichever of their units a cut has left.

A record that is wanted as a whole (SETTLED, SWITCHED, SECTOR) is written where all of it reads as
it must, and else it is not: FORMAT.md, section 4. Where it cannot read so, whatever its weak bits
do, its place may as well be blank. That holds since nobody programs the place before the half is
erased: a journal to which a record may have been about to be added is replaced before anyone acts
on it. Of SECTOR records that is the first that is not written; those behind it nobody reads.

It matters where a record has several units: four on an STM32F1.

It is a promise of the code that is explored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from flash_emulator import EmulatedFlash
from mcu_updater.core.journal import HEADER_SIZE, Phase, Record, decode_header, record_size
from mcu_updater.powerloss.equivalence.trailers import (
    Half,
    Trailer,
    is_stuck,
    never_holds,
    placed,
    unsure_sectors,
)


def blanked(flash: EmulatedFlash, trailers: Sequence[Trailer]) -> EmulatedFlash:
    """*flash* itself, or a twin in which each record that is surely not written is blank."""
    twin, unit = flash, flash.part.program_unit
    size = record_size(unit)
    units = size // unit
    for trailer in trailers:
        if is_stuck(flash, trailer):
            continue
        for half in trailer:
            for at in _not_written(flash, half):
                if not any(flash.cells.marks(at // unit, units)):
                    continue
                if twin is flash:
                    twin = flash.alone()
                twin.cells.erase(at, size)
    return twin


def _not_written(flash: EmulatedFlash, half: Half) -> Iterator[int]:
    """Where in the array the records stand that are surely not written behind this header."""
    snapshot = decode_header(flash.cells.peek(half.offset, HEADER_SIZE))
    if snapshot is None:
        return
    asked = [placed(flash, half, Record.SETTLED, 0, snapshot)]
    if snapshot.phase is Phase.VERIFIED:
        asked.append(placed(flash, half, Record.SWITCHED, 0, snapshot))
    if snapshot.phase is Phase.LOADING:
        asked += islice(unsure_sectors(flash, half, snapshot), 1)
    for at, wanted in asked:
        if never_holds(flash, at, wanted):
            yield at

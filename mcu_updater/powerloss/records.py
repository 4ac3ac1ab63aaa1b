"""Records that are not written are alike, whichever of their units a cut has left.

A record that is wanted as a whole (SETTLED, SWITCHED, SECTOR) is written where all of it reads as
it must, and else it is not: FORMAT.md, section 5. Where it cannot read so, whatever its weak bits
do, its place may as well be blank. That holds since nobody programs the place before the half is
erased: a journal to which a record may have been about to be added is replaced before anyone acts
on it. Of SECTOR records that is the first that is not written; those behind it nobody reads.

It matters where a record has several units: four on an STM32F1.

As of ``rotation``, it is a promise of the code that is explored, held by
``tests/powerloss/test_records.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flash_emulator import EmulatedFlash
from mcu_updater.journal import (
    HEADER_SIZE,
    Phase,
    Record,
    Snapshot,
    decode_header,
    record_bytes,
    record_offset,
    record_size,
)
from mcu_updater.powerloss.trailers import Trailer, is_stuck, never_holds, surely_holds


def blanked(flash: EmulatedFlash, trailers: Sequence[Trailer]) -> EmulatedFlash:
    """*flash* itself, or a twin in which each record that is surely not written is blank."""
    twin, unit = flash, flash.part.program_unit
    size = record_size(unit)
    units = size // unit
    for trailer in trailers:
        if is_stuck(flash, trailer):
            continue
        for half in trailer.halves:
            for at in _not_written(flash, half, trailer.size):
                if flash.cells.virgin_run(at // unit, units) == units:
                    continue
                if twin is flash:
                    twin = flash.fork()
                twin.cells.erase(at, size)
    return twin


def _not_written(flash: EmulatedFlash, half: int, size: int) -> Iterator[int]:
    """Where in the array the records stand that are surely not written behind this header."""
    snapshot = decode_header(flash.cells.raw_data(half, HEADER_SIZE))
    if snapshot is None:
        return
    for record in (Record.SETTLED, Record.SWITCHED):
        if record is Record.SETTLED or snapshot.phase is Phase.VERIFIED:
            at, wanted = _placed(flash, half, record, 0, snapshot)
            if never_holds(flash, at, wanted):
                yield at
    if snapshot.phase is Phase.LOADING:
        yield from _first_sector(flash, half, size, snapshot)


def _first_sector(flash: EmulatedFlash, half: int, size: int, snapshot: Snapshot) -> Iterator[int]:
    """The SECTOR record behind those that are surely written, where it surely is not."""
    index = 0
    while True:
        at, wanted = _placed(flash, half, Record.SECTOR, index, snapshot)
        if at + len(wanted) > half + size:
            return
        if not surely_holds(flash, at, wanted):
            break
        index += 1
    if never_holds(flash, at, wanted):
        yield at


def _placed(
    flash: EmulatedFlash, half: int, record: Record, index: int, snapshot: Snapshot
) -> tuple[int, bytes]:
    size = record_size(flash.part.program_unit)
    wanted = record_bytes(record, index, snapshot.generation, size)
    return half + record_offset(record, index, size), wanted

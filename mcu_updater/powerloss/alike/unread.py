"""Of a trailer only that is kept which the journal reads; all else is forgotten.

Not read is, as FORMAT.md says in section 5,

* a half that is void, but for the end of its header, which surely is none;
* behind a header: all but SETTLED, the records of its phase, and its checkpoint. SECTOR records
  end with the first that is surely not written.

Nothing is promised by that: what is forgotten may hold anything, and whoever looks at it all the
same is told so by the device, and the search fails loudly. It spares the states in which a
journal at rest, which is not replaced any more, stands beside whatever a cut has left there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from flash_emulator import EmulatedFlash
from mcu_updater.journal import (
    HEADER_SIZE,
    VERIFIED_PLACES,
    Phase,
    Snapshot,
    decode_header,
    record_size,
)
from mcu_updater.powerloss.alike.trailers import (
    Half,
    Trailer,
    end_of_header,
    is_stuck,
    is_void,
    never_holds,
    sectors_of,
)

Span = tuple[int, int]  # of the array: first byte, behind the last one


def without_unread(flash: EmulatedFlash, trailers: Sequence[Trailer]) -> EmulatedFlash:
    """A twin of *flash* in which nothing is known of what the journal does not read."""
    twin, base = flash.fork(), flash.part.base
    for trailer in trailers:
        if is_stuck(flash, trailer):
            continue
        for half in trailer:
            void = is_void(flash, half)
            for low, high in [(half.offset, half.end)] if void else _unread(flash, half):
                twin.forget(base + low, high - low)
            if void:
                _exclude_header(twin, half)
    return twin


def _exclude_header(twin: EmulatedFlash, half: Half) -> None:
    at, end = end_of_header(twin, half)
    unit, begin = divmod(at, twin.part.program_unit)
    twin.cells.exclude(unit, frozenset({(begin, end)}))


def _unread(flash: EmulatedFlash, half: Half) -> Iterator[Span]:
    """Of a half with a header."""
    snapshot = decode_header(flash.cells.raw_data(half.offset, HEADER_SIZE))
    if snapshot is None:  # its end is weak, and it may have one
        return
    unit = flash.part.program_unit
    settled, size = half.offset + HEADER_SIZE, record_size(unit)
    match snapshot.phase:
        case Phase.VERIFIED:
            end = settled + VERIFIED_PLACES * size
        case Phase.LOADING:
            end = _end_of_sectors(flash, half, snapshot)
        case _:
            end = settled + size
    yield end, half.checkpoint
    length = struct.unpack_from("<I", snapshot.checkpoint)[0] if snapshot.checkpoint else 0
    yield min(half.checkpoint + -(-length // unit) * unit, half.end), half.end


def _end_of_sectors(flash: EmulatedFlash, half: Half, snapshot: Snapshot) -> int:
    """Behind the last SECTOR record that may be looked at."""
    for at, wanted in sectors_of(flash, half, snapshot):
        if never_holds(flash, at, wanted):
            return at + len(wanted)
    return half.checkpoint

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
from flash_emulator.array.pages import Mark, NotHeld
from mcu_updater.core.journal import (
    HEADER_SIZE,
    VERIFIED_PLACES,
    Phase,
    Snapshot,
    decode_header,
    record_size,
)
from mcu_updater.powerloss.equivalence.trailers import (
    Half,
    Trailer,
    end_of_header,
    is_stuck,
    is_void,
    never_holds,
    unsure_sectors,
)

Span = tuple[int, int]  # of the array: first byte, behind the last one


def without_unread(flash: EmulatedFlash, trailers: Sequence[Trailer]) -> EmulatedFlash:
    """*flash* itself, or a twin in which nothing is known of what the journal does not read."""
    twin = flash
    for trailer in trailers:
        if is_stuck(flash, trailer):
            continue
        for half in trailer:
            void = is_void(flash, half)
            spans = [(half.offset, half.end)] if void else _unread(flash, half)
            known = [span for span in spans if not _is_forgotten(flash, half, span, void=void)]
            if known and twin is flash:
                twin = flash.alone()
            for low, high in known:
                twin.forget(flash.part.base + low, high - low)
            if known and void:
                _exclude_header(twin, half)
    return twin


def _is_forgotten(flash: EmulatedFlash, half: Half, span: Span, *, void: bool) -> bool:
    """Whether there is nothing to do: a page that does not change need not be digested anew."""
    unit, (low, high) = flash.part.program_unit, span
    marks = flash.cells.marks(low // unit, (high - low) // unit)
    if marks.count(Mark.UNKNOWN) < len(marks):
        return False
    excluded = flash.cells.excluded(low, high - low)
    return excluded == (_no_header(flash, half) if void else {})


def _no_header(flash: EmulatedFlash, half: Half) -> dict[int, NotHeld]:
    """What the units of a void half surely do not hold."""
    at, end = end_of_header(flash, half)
    unit, begin = divmod(at, flash.part.program_unit)
    return {unit: frozenset({(begin, end)})}


def _exclude_header(twin: EmulatedFlash, half: Half) -> None:
    for unit, slices in _no_header(twin, half).items():
        twin.cells.exclude(unit, slices)


def _unread(flash: EmulatedFlash, half: Half) -> Iterator[Span]:
    """Of a half with a header."""
    snapshot = decode_header(flash.cells.peek(half.offset, HEADER_SIZE))
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
    for at, wanted in unsure_sectors(flash, half, snapshot):
        if never_holds(flash, at, wanted):
            return at + len(wanted)
    return half.checkpoint

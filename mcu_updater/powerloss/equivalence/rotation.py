"""Trailers that differ in half and turn only are alike, and one of each kind is enough to boot.

Which half of a trailer a settled journal stands in, and its turn, tell how often it was replaced
and nothing else: FORMAT.md, section 5, asks for the turn only where no half is settled, and only
for the difference of two. So a device whose trailer is turned back, half 0 and turn 0, does the
same as before, at other places, and so do all that can come of it. That holds for

* a half 0 that has a header and SETTLED, every unit of them whole: of half 1 nothing is read then;
* a half that has a header, where the other half is void: its header does not end as a header ends,
  however its bits read. Turn and CRC must be whole, the rest may be weak;
* as long as both halves have sectors of the same sizes, and no cell of them is stuck.

What a search has forgotten nobody reads, so the answer is the same for the flash that still has it.

All else is left as it is. What differs is which half wears out, and which random bits a torn unit
gets, since these are drawn by place.

It is a promise of the code that is explored. Code that is changed so that it prefers a half breaks
it, and is found where boots are held side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from flash_emulator import EmulatedFlash
from mcu_updater.core.journal import (
    CRC_AT,
    END_MARK,
    HEADER_SIZE,
    TURN_AT,
    Record,
    decode_header,
    with_turn,
)
from mcu_updater.powerloss.equivalence.trailers import (
    Half,
    Trailer,
    is_stuck,
    is_void,
    placed,
    surely_holds,
)


def turned_back(flash: EmulatedFlash, trailers: Sequence[Trailer]) -> EmulatedFlash:
    """*flash* itself, or a twin in which every trailer that can be is in half 0, with turn 0."""
    twin = flash
    for trailer in trailers:
        if trailer[0].sector_sizes != trailer[1].sector_sizes:
            continue
        half = _only_half(twin, trailer)
        header = None if half is None else _header(twin, trailer[half])
        if header is None or (half == 0 and header[TURN_AT] == 0) or is_stuck(twin, trailer):
            continue
        if twin is flash:
            twin = flash.alone()
        if half == 1:
            twin.cells.exchange(trailer[0].offset, trailer[1].offset, sum(trailer[0].sector_sizes))
        _write_turn(twin, trailer[0].offset, header)
    return twin


def _only_half(flash: EmulatedFlash, trailer: Trailer) -> int | None:
    """The half that counts, if any does: half 0 when it is settled, whatever the other one reads;
    else the one beside a half that has no header for sure."""
    if is_settled(flash, trailer[0]):
        return 0
    void = [is_void(flash, half) for half in trailer]
    return 1 - void.index(True) if void[0] != void[1] else None


def is_settled(flash: EmulatedFlash, half: Half) -> bool:
    """Whether every reading of the half gives a header and SETTLED: all units are whole."""
    raw = flash.cells.peek(half.offset, HEADER_SIZE)
    snapshot = decode_header(raw)
    return (
        snapshot is not None
        and surely_holds(flash, half.offset, raw)
        and surely_holds(flash, *placed(flash, half, Record.SETTLED, 0, snapshot))
    )


def _header(flash: EmulatedFlash, half: Half) -> bytes | None:
    """A valid header, as far as its last stable state says; its turn and its CRC are whole."""
    cells, size = flash.cells, flash.part.program_unit
    raw = cells.peek(half.offset, HEADER_SIZE)
    if not raw.endswith(END_MARK) or decode_header(raw) is None:
        return None
    turn, crc = half.offset + TURN_AT, half.offset + CRC_AT
    whole = cells.plain_size(turn // size * size, size) == size
    end = crc // size * size
    rest = half.offset + HEADER_SIZE - end
    whole &= cells.plain_size(end, rest) == rest
    return raw if whole else None


def _write_turn(flash: EmulatedFlash, half: int, header: bytes) -> None:
    """Only the units that it changes are programmed: blank ones stay blank."""
    size, turned = flash.part.program_unit, with_turn(header, 0)
    for at in range(0, HEADER_SIZE, size):
        if turned[at : at + size] != header[at : at + size]:
            flash.cells.program((half + at) // size, turned[at : at + size])

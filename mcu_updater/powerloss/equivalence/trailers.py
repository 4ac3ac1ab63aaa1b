"""Where the trailers of a device lie, and what is sure of their cells, however their bits read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flash_emulator import EmulatedFlash
from flash_emulator.array.ecc import Verdict
from flash_emulator.device.possible import may_hold
from mcu_updater.core.journal import (
    END_MARK,
    HEADER_SIZE,
    Record,
    Snapshot,
    checkpoint_offset,
    decode_header,
    record_bytes,
    record_offset,
    record_size,
    sector_records,
)
from mcu_updater.core.slot import AnyLayout, CopyLayout, Layout


@dataclass(frozen=True, slots=True)
class Half:
    """Where it lies in the array, and where its checkpoint begins. Offsets, sizes in bytes."""

    offset: int
    sector_sizes: tuple[int, ...]
    checkpoint: int

    @property
    def end(self) -> int:
        return self.offset + sum(self.sector_sizes)


Trailer = tuple[Half, Half]


def trailers_of(flash: EmulatedFlash, layout: AnyLayout) -> tuple[Trailer, ...]:
    if isinstance(layout, CopyLayout):
        areas = [(0, area) for area in (layout.execution, *layout.storage)]
    else:
        areas = [(0, layout), (flash.part.size // 2, layout)]
    return tuple(_trailer(flash, start, area) for start, area in areas)


def _trailer(flash: EmulatedFlash, start: int, area: Layout) -> Trailer:
    behind = checkpoint_offset(len(area.slot.sector_sizes), record_size(flash.part.program_unit))
    first, second = (
        Half(start + half.offset, half.sector_sizes, start + half.offset + behind)
        for half in area.halves
    )
    return first, second


def is_stuck(flash: EmulatedFlash, trailer: Trailer) -> bool:
    """Whether any cell of it is."""
    size = flash.part.program_unit
    return any(half.offset <= unit * size < half.end for unit in flash.stuck for half in trailer)


def is_void(flash: EmulatedFlash, half: Half) -> bool:
    """Whether no reading of the half gives a header."""
    return never_holds(flash, *end_of_header(flash, half)) or _is_no_header(flash, half)


def _is_no_header(flash: EmulatedFlash, half: Half) -> bool:
    """Whether a unit of the header is surely unreadable; or all surely read as they do, and what
    they read is no header."""
    cells, size = flash.cells, flash.part.program_unit
    if cells.plain_size(half.offset, HEADER_SIZE) == HEADER_SIZE:  # most halves
        return decode_header(cells.peek(half.offset, HEADER_SIZE)) is None
    read, is_sure = bytearray(), True
    for unit in range(half.offset // size, -(-(half.offset + HEADER_SIZE) // size)):
        raw = None if cells.is_unknown(unit) else cells.raw(unit)
        if cells.is_unknown(unit) or (raw is not None and (raw.metastable or any(raw.fading))):
            is_sure = False
        elif raw is None:
            read += cells.peek(unit * size, size)
        else:
            decoded = cells.decode(raw, 0)
            if decoded.verdict is Verdict.DETECTED:
                return True
            read += decoded.data.to_bytes(size, "little")
    return is_sure and decode_header(bytes(read[:HEADER_SIZE])) is None


def end_of_header(flash: EmulatedFlash, half: Half) -> tuple[int, bytes]:
    """Where its last unit ends in the mark, as far as that unit goes; and the mark."""
    end = END_MARK[-flash.part.program_unit :]
    return half.offset + HEADER_SIZE - len(end), end


def placed(
    flash: EmulatedFlash, half: Half, record: Record, index: int, snapshot: Snapshot
) -> tuple[int, bytes]:
    """Where the record stands behind the header of *snapshot*, and how it reads."""
    size = record_size(flash.part.program_unit)
    wanted = record_bytes(record, index, snapshot.generation, size)
    return half.offset + record_offset(record, index, size), wanted


def unsure_sectors(
    flash: EmulatedFlash, half: Half, snapshot: Snapshot
) -> Iterator[tuple[int, bytes]]:
    """Where SECTOR records stand, as ``placed``, from the first that is not surely written on."""
    size = record_size(flash.part.program_unit)
    start = half.offset + record_offset(Record.SECTOR, 0, size)
    count = (half.checkpoint - start) // size
    wanted = sector_records(snapshot.generation, count, size)
    held = _in_common(flash.cells.peek(start, len(wanted)), wanted)
    for index in range(min(held, flash.cells.plain_size(start, len(wanted))) // size, count):
        yield start + index * size, wanted[index * size : (index + 1) * size]


def _in_common(one: bytes, other: bytes) -> int:
    """How many bytes two of the same length have in common, from their start."""
    differs = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    return ((differs & -differs).bit_length() - 1) // 8 if differs else len(one)


def surely_holds(flash: EmulatedFlash, offset: int, wanted: bytes) -> bool:
    """Whether every reading gives *wanted*: all units are whole, and known."""
    cells, size = flash.cells, len(wanted)
    return cells.peek(offset, size) == wanted and cells.plain_size(offset, size) == size


def never_holds(flash: EmulatedFlash, offset: int, wanted: bytes) -> bool:
    """Whether no reading gives *wanted*, since one of its units surely holds something else."""
    at, end = offset, offset + len(wanted)
    while at < end:
        unit, begin = divmod(at, flash.part.program_unit)
        size = min(flash.part.program_unit - begin, end - at)
        part = begin, wanted[at - offset : at - offset + size]
        if not may_hold(flash.cells, unit, part):
            return True
        at += size
    return False

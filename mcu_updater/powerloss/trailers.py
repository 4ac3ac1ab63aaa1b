"""Where the trailers of a device lie, and what is sure of their cells, however their bits read."""

from __future__ import annotations

from dataclasses import dataclass

from flash_emulator import EmulatedFlash
from flash_emulator.cells import Mark
from mcu_updater.slot import AnyLayout, CopyLayout


@dataclass(frozen=True, slots=True)
class Trailer:
    """Where the two halves of one begin in the array, and the size of the first in bytes.

    *even*: their sectors have the same sizes.
    """

    halves: tuple[int, int]
    size: int
    even: bool


def trailers_of(flash: EmulatedFlash, layout: AnyLayout) -> tuple[Trailer, ...]:
    if isinstance(layout, CopyLayout):
        areas = [(0, area) for area in (layout.execution, *layout.storage)]
    else:
        areas = [(0, layout), (flash.part.size // 2, layout)]
    return tuple(
        Trailer(
            (start + area.halves[0].offset, start + area.halves[1].offset),
            area.halves[0].size,
            area.halves[0].sector_sizes == area.halves[1].sector_sizes,
        )
        for start, area in areas
    )


def is_stuck(flash: EmulatedFlash, trailer: Trailer) -> bool:
    """Whether any cell of it is."""
    size = flash.part.program_unit
    return any(
        half <= unit * size < half + trailer.size for unit in flash.stuck for half in trailer.halves
    )


def surely_holds(flash: EmulatedFlash, offset: int, wanted: bytes) -> bool:
    """Whether every reading gives *wanted*: all units are whole, and known."""
    cells, size = flash.cells, len(wanted)
    return cells.raw_data(offset, size) == wanted and cells.plain_size(offset, size) == size


def never_holds(flash: EmulatedFlash, offset: int, wanted: bytes) -> bool:
    """Whether no reading gives *wanted*, which ends where a unit does."""
    size = flash.part.program_unit
    at = offset
    while at < offset + len(wanted):
        unit, begin = divmod(at, size)
        part = begin, wanted[at - offset : at - offset + size - begin]
        if flash.cells.mark(unit) is Mark.UNKNOWN:
            never = part in flash.cells.not_held(unit)
        else:
            never = not flash.may_hold(unit, part)
        if never:
            return True
        at += len(part[1])
    return False

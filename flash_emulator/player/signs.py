"""What sectors hold, a sign for each.

``.`` erased, ``#`` all units plain and programmed, ``+`` some of them, ``!`` at least one that a
cut has spoilt.
"""

from __future__ import annotations

from collections.abc import Iterable

from flash_emulator.array.pages import Mark
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.player.flash_map import FlashMap

SIGNS = {
    ".": "erased",
    "#": "programmed",
    "+": "partly programmed",
    "!": "spoilt by a cut",
}


def sector_signs(flash: EmulatedFlash) -> str:
    """Of all sectors, in the order of the array."""
    return "".join(_sign(flash, offset, size) for offset, size in flash.part.sector_starts.items())


def _sign(flash: EmulatedFlash, offset: int, size: int) -> str:
    unit = flash.part.program_unit
    marks = flash.cells.marks(offset // unit, size // unit)
    if marks.count(Mark.RAW) or marks.count(Mark.UNKNOWN):
        return "!"
    programmed = marks.count(Mark.PROGRAMMED)
    return "." if not programmed else "#" if programmed == len(marks) else "+"


def span_of(flash: EmulatedFlash, operation: Operation) -> tuple[int, int] | None:
    """Offset and size of what *operation* works on; None: nothing of the array."""
    part = flash.part
    match operation.kind:
        case "options":
            return None
        case "mass erase":
            return 0, part.size
        case "bank erase":
            return flash.array_offset(operation.address), part.bank_size
        case "erase":
            offset = flash.array_offset(operation.address)
            return offset, part.sector_starts.get(offset, 1)
    return flash.array_offset(operation.address), max(1, len(operation.data))


class Signs:
    """The same, kept up to date while operations touch some sectors only."""

    def __init__(self, flash: EmulatedFlash) -> None:
        self._map = FlashMap.of(flash.part)
        self._signs = list(sector_signs(flash))

    def look(self, flash: EmulatedFlash, spans: Iterable[tuple[int, int]]) -> str:
        """*spans*: offset and size of what may have changed since the last look."""
        touched = {index for span in spans for index in self._map.indices(*span)}
        for index in touched:
            self._signs[index] = _sign(flash, *self._map.sectors[index])
        return "".join(self._signs)

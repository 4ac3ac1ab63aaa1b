"""What the erase commands of a boot ROM call the pieces of its flash.

``erase_numbers.toml`` says it, apart from the part files, which the host goes by: so a host that
counts otherwise than the documents have it is found out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flash_emulator.parts.part import Part
from flash_emulator.parts.part_file import package_toml
from flash_emulator.parts.part_tables import PartError

Pieces = Mapping[int, range]
"""The addresses that each number stands for, in address order, with no bank mapped."""


def pieces_of(part: Part) -> Pieces:
    """Raises PartError where the table's pieces are not the sectors of the part file: numbers are
    the ROM's own affair, what there is to number is not. Of a part of one's own only its file knows
    the numbers.
    """
    sectors = [
        range(start, start + size)
        for start, size in ((part.address_of(o), s) for o, s in part.sector_starts.items())
    ]
    rows = package_toml("bootrom/erase_numbers.toml").get(part.name)
    if rows is None or part.own_file is not None:
        return {part.rom_sector(index): sector for index, sector in enumerate(sectors)}
    pieces = {
        first + at: range(start + at * size, start + (at + 1) * size)
        for first, start, count, size in rows
        for at in range(count)
    }
    if list(pieces.values()) != sectors:
        raise PartError(
            f"{part.name}: the boot ROM's table of sectors is for another flash", table="bootrom"
        )
    return pieces


def runs_of(pieces: Iterable[range]) -> list[range]:
    """Pieces in address order, joined where they adjoin: there may be a hole between banks."""
    runs: list[range] = []
    for piece in pieces:
        if runs and runs[-1].stop == piece.start:
            runs[-1] = range(runs[-1].start, piece.stop)
        else:
            runs.append(piece)
    return runs

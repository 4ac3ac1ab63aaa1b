"""Mapping symbols of an ELF file: which bytes among its code are data (``$d``; AAELF32, 5.5.5)."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def data_ranges(path: Path) -> list[range]:
    """Ranges of data in code, ascending; none where the file does not say."""
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(path.read_bytes()))
        marks = sorted(_marks(elf))
        ends = sorted(section["sh_addr"] + section["sh_size"] for section in elf.iter_sections())
    except Exception:  # the reader raises whatever damage makes it raise: then nothing is known
        return []
    found = []
    for index, (address, kind) in enumerate(marks):
        at = bisect_right(ends, address)
        room = ends[at] if at < len(ends) else address
        following = marks[index + 1][0] if index + 1 < len(marks) else room
        if kind == "$d":
            found.append(range(address, min(following, room)))
    return found


def _marks(elf: Any) -> Iterator[tuple[int, str]]:
    table = elf.get_section_by_name(".symtab")
    for symbol in table.iter_symbols() if table is not None else ():
        kind = symbol.name[:2]
        if kind in ("$d", "$t", "$a") and symbol.name[2:3] in ("", "."):
            yield symbol["st_value"], kind

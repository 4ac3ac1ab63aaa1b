"""Names of functions by their addresses, for findings."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Symbols:
    """Functions as (address, size, name), ascending; size 0 where it is not known."""

    functions: tuple[tuple[int, int, str], ...] = ()

    @classmethod
    def of(cls, functions: Iterable[tuple[int, int, str]]) -> Symbols:
        """Bit 0 of an address, which says Thumb, is left out."""
        return cls(tuple(sorted((at & ~1, size, name) for at, size, name in functions)))

    def name(self, address: int) -> str:
        """``0x0800_0124 (flash_program+0x12)``."""
        place = f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"
        index = bisect_right(self.functions, (address, 1 << 32, "")) - 1
        if index < 0:
            return place
        begin, size, name = self.functions[index]
        if size and address >= begin + size:
            return place
        offset = address - begin
        return f"{place} ({name}{f'+0x{offset:x}' if offset else ''})"

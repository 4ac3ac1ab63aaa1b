"""What is drawn of a part: banks, sectors and regions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from flash_emulator.parts.part import Part

_ROLES = {
    "journal": ("trailer", "journal", "scratch", "status"),
    "boot": ("boot",),
    "slot": ("slot", "primary", "secondary", "image", "execution", "run"),
}


@dataclass(frozen=True, slots=True)
class FlashMap:
    """Offsets are in the array, in which no bank is mapped elsewhere and there is no hole.

    *sectors* and *regions*: (offset, size). *banks*: (address, size), in the order of the array;
    none: they are not told apart.
    """

    base: int
    sectors: tuple[tuple[int, int], ...]
    regions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    banks: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, part: Part, regions: Mapping[str, tuple[int, int]] | None = None) -> FlashMap:
        """*regions* may lie within one another: a bank, its slot, its trailer."""
        banks = tuple((start, part.bank_size) for start in part.bank_starts[: part.bank_count])
        return cls(part.base, tuple(part.sector_starts.items()), dict(regions or {}), banks)

    def label(self, offset: int) -> str:
        """The regions that hold *offset*, the widest first: ``bank A / slot``."""
        return " / ".join(self._around(offset))

    def _around(self, offset: int) -> list[str]:
        around = [
            (-size, name)
            for name, (begin, size) in self.regions.items()
            if begin <= offset < begin + size
        ]
        return [name for _, name in sorted(around)]

    def role(self, offset: int) -> str:
        """Of the narrowest region there, by the words of its name: boot, slot, journal, or none."""
        around = self._around(offset)
        words = around[-1].lower() if around else ""
        found = (role for role, known in _ROLES.items() if any(word in words for word in known))
        return next(found, "")

    def address_of(self, offset: int) -> int:
        """Where the CPU finds it while no bank is mapped elsewhere."""
        begin = 0
        for address, size in self.banks:
            if offset < begin + size:
                return address + offset - begin
            begin += size
        return self.base + offset

    def index_of(self, address: int) -> int:
        """Of the sector that holds *address*; -1 where none does."""
        begin = 0
        for start, size in self.banks or ((self.base, self._size),):
            if start <= address < start + size:
                offset = begin + address - start
                return bisect_right(self.sectors, offset, key=lambda sector: sector[0]) - 1
            begin += size
        return -1

    def indices(self, offset: int, size: int) -> range:
        """Of the sectors that *size* bytes from *offset* on touch."""
        first = bisect_right(self.sectors, offset, key=lambda sector: sector[0]) - 1
        last = bisect_right(self.sectors, offset + size - 1, key=lambda sector: sector[0])
        return range(max(first, 0), last)

    @property
    def _size(self) -> int:
        return sum(self.sectors[-1]) if self.sectors else 0

    def as_json(self) -> dict[str, Any]:
        """Runs of one size, of one label and of one role."""
        starts = [offset for offset, _ in self.sectors]
        return {
            "base": self.base,
            "banks": self.banks,
            "sizes": runs(size for _, size in self.sectors),
            "labels": runs(map(self.label, starts)),
            "roles": runs(map(self.role, starts)),
        }


def runs(values: Iterable[Any]) -> list[tuple[int, Any]]:
    """How many in a row are equal, and what."""
    return [(len(list(run)), value) for value, run in groupby(values)]

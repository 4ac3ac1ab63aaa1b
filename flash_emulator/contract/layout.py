"""Where the interesting places of an array are, and what to write there. Values only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from flash_emulator.contract.shape import Geometry

ERASED = b"\xff"


@dataclass(frozen=True, slots=True)
class Sector:
    address: int
    size: int
    bank: int

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def span(self) -> range:
        return range(self.address, self.end)


@dataclass(frozen=True, slots=True)
class Layout:
    """The array of one device, by the addresses that the CPU uses."""

    base: int
    unit: int
    bank_count: int
    sectors: tuple[Sector, ...]

    @classmethod
    def of(cls, geometry: Geometry) -> Layout:
        sizes = tuple(geometry.sector_sizes)
        return _layout(geometry.base, geometry.program_unit, geometry.bank_count, sizes)

    @property
    def end(self) -> int:
        return self.sectors[-1].end

    @property
    def size(self) -> int:
        return self.end - self.base

    @property
    def bank_size(self) -> int:
        return self.size // self.bank_count

    @property
    def banks(self) -> list[range]:
        size = self.bank_size
        return [range(start, start + size) for start in range(self.base, self.end, size)]

    @property
    def landmarks(self) -> list[Sector]:
        """First, middle and last sector of each bank, and both sides of each change of size."""
        per_bank = len(self.sectors) // self.bank_count
        ends = {0, per_bank // 2, per_bank - 1}
        sizes = [sector.size for sector in self.sectors[:per_bank]]
        changes = {i for i in range(1, per_bank) if sizes[i] != sizes[i - 1]}
        wanted = ends | changes | {i - 1 for i in changes}
        return [s for i, s in enumerate(self.sectors) if i % per_bank in wanted]

    @property
    def small(self) -> Sector:
        """One of the smallest sectors, not the first where there is another one."""
        smallest = min(sector.size for sector in self.sectors)
        alike = [sector for sector in self.sectors if sector.size == smallest]
        return alike[min(1, len(alike) - 1)]

    @property
    def on_edges(self) -> list[Sector]:
        """Sectors to be erased, few, each with neighbours worth looking at.

        Both sides of the first change of size; or else a middle one, and the last of the first
        bank.
        """
        bank = self.sectors[: len(self.sectors) // self.bank_count]
        change = next((i for i in range(1, len(bank)) if bank[i].size != bank[i - 1].size), None)
        edges = {self.small, bank[-1]} if change is None else {bank[change - 1], bank[change]}
        return sorted(edges, key=lambda sector: sector.address)

    def units(self, sector: Sector) -> range:
        """Address of every unit of *sector*."""
        return sector.span[:: self.unit]

    def ends(self, sector: Sector) -> list[int]:
        """Address of its first, middle and last unit; fewer where these are the same."""
        units = self.units(sector)
        return sorted({units[0], units[len(units) // 2], units[-1]})

    def run(self, count: int = 8) -> range:
        """Addresses of up to *count* units, across the edge of two sectors where there are two."""
        first, *others = self.sectors
        if not others:
            return self.units(first)[:count]
        begin = max(first.address, first.end - count // 2 * self.unit)
        end = min(others[0].end, first.end + count // 2 * self.unit)
        return range(begin, end, self.unit)

    def data(self, address: int, count: int = 1, salt: int = 0) -> bytes:
        """*count* units for *address*: another one for each address, none of them blank or zero."""
        chunk = self.unit * _UNITS_PER_CHUNK
        first, last = address // chunk, (address + count * self.unit - 1) // chunk
        data = b"".join(_chunk(index, self.unit, salt) for index in range(first, last + 1))
        return data[address - first * chunk :][: count * self.unit]


_UNITS_PER_CHUNK = 512
_MIXED = bytes(value & 0x7E | 0x10 for value in range(256))  # neither 0x00 nor 0xFF


@lru_cache(maxsize=4096)
def _chunk(index: int, unit: int, salt: int) -> bytes:
    seed = f"{salt}/{index}".encode()
    data = bytearray(hashlib.shake_128(seed).digest(unit * _UNITS_PER_CHUNK))
    data[::unit] = data[::unit].translate(_MIXED)
    return bytes(data)


@lru_cache(maxsize=32)
def _layout(base: int, unit: int, bank_count: int, bank_sizes: tuple[int, ...]) -> Layout:
    sizes = bank_sizes * bank_count
    starts = accumulate(sizes, initial=base)
    sectors = tuple(
        Sector(start, size, index // len(bank_sizes))
        for index, (start, size) in enumerate(zip(starts, sizes, strict=False))
    )
    return Layout(base, unit, bank_count, sectors)


class Expected:
    """What the whole array should read as."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.data = bytearray(ERASED * layout.size)

    def put(self, address: int, data: bytes) -> None:
        offset = address - self.layout.base
        self.data[offset : offset + len(data)] = data

    def erase(self, sector: Sector) -> None:
        self.put(sector.address, ERASED * sector.size)

    def get(self, span: range) -> bytes:
        offset = span.start - self.layout.base
        return bytes(self.data[offset : offset + len(span)])

    def exchange_banks(self) -> None:
        size = self.layout.bank_size
        self.data = self.data[size:] + self.data[:size]

    def spans(self, without: range | None = None) -> Iterator[range]:
        """The array bank by bank, *without* a part of it."""
        for bank in self.layout.banks:
            if without is None or without.stop <= bank.start or bank.stop <= without.start:
                yield bank
                continue
            yield from filter(
                None, (range(bank.start, without.start), range(without.stop, bank.stop))
            )

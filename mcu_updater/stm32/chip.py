"""What the host has to know of a chip to flash it through its boot ROM. Values only.

A chip is made of a part of ``flash_emulator`` (``host.chips``; this room does not import it), or of
a geometry that the user gives for a PID that nobody has heard of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

from mcu_updater.errors import UsageError, address_text

FRAME_SIZE = 256  # AN3155: most that one Write or Read carries
WORD = 4  # AN3155: a Write starts at a multiple of it and is as long as one


class Sector(NamedTuple):
    """*number* is what the ROM's erase calls it: all banks counted through, from 0."""

    number: int
    start: int
    size: int

    @property
    def stop(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class FlashTimes:
    """Microseconds; None where no document says. Typical, or else maximal."""

    program_unit: int | None = None
    sector_erase: Mapping[int, int | None] = field(default_factory=dict)  # by sector size
    mass_erase: int | None = None
    bank_erase: int | None = None


@dataclass(frozen=True, slots=True)
class Chip:
    """Sizes in bytes. *banks* are the sectors' numbers; one range where there is one bank."""

    name: str
    pid: int | None
    program_unit: int
    sectors: tuple[Sector, ...]
    banks: tuple[range, ...]
    times: FlashTimes = FlashTimes()
    uid: int | None = None
    size_register: int | None = None
    option_bytes: range | None = None
    needs_wide_reads: bool = False  # F4: UID and size are read as part of 256 bytes

    def __post_init__(self) -> None:
        if self.program_unit < 1 or FRAME_SIZE % self.program_unit:
            raise UsageError(
                "program unit does not fit the ROM's frames",
                expected=f"a divisor of {FRAME_SIZE}",
                found=str(self.program_unit),
            )

    @property
    def base(self) -> int:
        return self.sectors[0].start

    @property
    def size(self) -> int:
        return sum(sector.size for sector in self.sectors)

    @property
    def alignment(self) -> int:
        """What starts and lengths of writes must be multiples of."""
        return max(self.program_unit, WORD)

    def sectors_of(self, start: int, stop: int) -> tuple[Sector, ...]:
        """The sectors that [*start*, *stop*) touches, in address order."""
        return tuple(s for s in self.sectors if s.start < stop and start < s.stop)

    def covers(self, start: int, stop: int) -> bool:
        """Whether every byte of the range is in a sector: there may be a hole between banks."""
        return sum(
            min(stop, s.stop) - max(start, s.start) for s in self.sectors_of(start, stop)
        ) == (stop - start)

    def limited(self, size: int) -> Chip:
        """The chip with no more than its first *size* bytes, as its flash-size register says.

        What is known of banks is known of the whole chip only, so a smaller one has none.
        """
        if size >= self.size:
            return self
        ends = accumulate(sector.size for sector in self.sectors)
        kept = tuple(s for s, end in zip(self.sectors, ends, strict=True) if end <= size)
        if not kept:
            raise UsageError(
                "flash size is less than one sector", where=self.name, found=f"{size} bytes"
            )
        name = f"{self.name} ({size // 1024} KiB)"
        return replace(self, name=name, sectors=kept, banks=(range(len(kept)),))


# --- from a geometry that the user gives


def chip_of_geometry(
    pid: int | None, base: int, runs: Iterable[tuple[int, int]], unit: int
) -> Chip:
    """A chip by hand: *runs* of (count, size) of sectors, in address order from *base*."""
    sizes = [size for count, size in runs for _ in range(count)]
    if not sizes or min(sizes) <= 0 or any(size % unit or size % WORD for size in sizes):
        raise UsageError(
            "bad geometry",
            expected=f"sectors of whole program units, {unit} bytes, and whole words",
            found=", ".join(f"{size} bytes" for size in sorted(set(sizes))) or "no sector",
        )
    if base % WORD or base + sum(sizes) > 1 << 32:
        raise UsageError(
            "bad geometry", expected="word-aligned flash below 4 GiB", found=address_text(base)
        )
    sectors = tuple(map(Sector, range(len(sizes)), starts_of(base, sizes), sizes))
    return Chip("a chip by --geometry", pid, unit, sectors, (range(len(sizes)),))


def starts_of(start: int, sizes: Sequence[int]) -> list[int]:
    """Where sectors of *sizes* begin that lie one behind the other."""
    return list(accumulate(sizes[:-1], initial=start))

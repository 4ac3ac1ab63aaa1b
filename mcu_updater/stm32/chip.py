"""What the host has to know of a chip to flash it through its boot ROM. Values only.

A chip is made of a part of ``flash_emulator`` (``host.chips``; this room does not import it), or of
a geometry that the user gives for a PID that nobody has heard of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from mcu_updater.core.errors import ChipRefused, Remedy, UsageError, address_text

FRAME_SIZE = 256  # AN3155: most that one Write or Read carries
WORD = 4  # AN3155: a Write starts at a multiple of it and is as long as one


ERASED_TO_ZERO: Final = {
    0x416: "STM32L1, category 1",
    0x427: "STM32L1, category 3",
    0x429: "STM32L1, category 2",
    0x436: "STM32L1, category 4",
    0x437: "STM32L1, category 5 or 6",
    0x417: "STM32L05x/L06x",
    0x425: "STM32L031/L041",
    0x447: "STM32L07x/L08x",
    0x457: "STM32L01x/L02x",
}
"""By PID, the families whose flash reads 00 when it is erased (RM0038, RM0377). Everything here
takes erased flash for FF: what is skipped as blank, what ends are filled up with, what an erase is
checked by."""


class Sector(NamedTuple):
    """*number* is what the ROM's erase calls it. Bank 2 may begin with a number of its own: 12 on
    F42x and F76x, 256 on L47x, however large the flash is."""

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


class BankOption(NamedTuple):
    """An option that decides how many banks there are, or exchanges them; *value*: of this chip.

    *bit* of the word at *address*, by which the boot ROM shows it; None: it is not to be seen.
    """

    name: str
    value: int
    address: int | None = None
    bit: int = 0


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
    free_ram: int | None = None  # 256 bytes from there on, at least, are RAM and not the ROM's
    needs_wide_reads: bool = False  # F4: UID and size are read as part of 256 bytes
    bank_options: tuple[BankOption, ...] = ()
    can_be_cut: bool = False  # a smaller one is the same from the start on, numbers too
    bank_erase_is_sure: bool = (
        True  # else the ROM may mean the other bank: an option exchanges them
    )
    is_whole: bool = True  # else there may be more flash, which an erase of all would take along

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
    def stop(self) -> int:
        """Behind the last sector; there may be a hole before it."""
        return self.sectors[-1].stop

    @property
    def shape(self) -> str:
        """A digest of what each number stands for: the same chip has another one when an option
        makes two banks of one."""
        return hashlib.sha256(repr(self.sectors).encode()).hexdigest()[:16]

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

        Raises ChipRefused where nobody knows what is left of it: two banks may each have less, with
        a hole between them, and the ROM may count them otherwise.
        """
        if size >= self.size:
            return self
        if not self.can_be_cut:
            raise ChipRefused(
                "nothing here says how less flash of this part is laid out",
                where=self.name,
                expected=f"{self.size} bytes",
                found=f"{size} bytes, as the chip says",
                then="Nothing was changed",
                remedies=[Remedy.GEOMETRY],
            )
        ends = accumulate(sector.size for sector in self.sectors)
        kept = tuple(s for s, end in zip(self.sectors, ends, strict=True) if end <= size)
        if not kept:
            raise UsageError(
                "flash size is less than one sector", where=self.name, found=f"{size} bytes"
            )
        name = f"{self.name} ({size // 1024} KiB)"
        return replace(self, name=name, sectors=kept, banks=(range(len(kept)),))


# --- from a geometry that the user gives


class GivenBank(NamedTuple):
    """*runs* of (count, size) of sectors from *base* on; *first*: what the ROM calls the first one,
    None: it goes on counting."""

    base: int
    runs: Sequence[tuple[int, int]]
    first: int | None = None


def chip_of_geometry(
    pid: int | None, base: int, runs: Iterable[tuple[int, int]], unit: int
) -> Chip:
    """A chip by hand: *runs* of (count, size) of sectors, in address order from *base*."""
    return chip_of_banks(pid, [GivenBank(base, tuple(runs))], unit)


def chip_of_banks(pid: int | None, banks: Sequence[GivenBank], unit: int) -> Chip:
    """A chip by hand. UsageError where sectors would overlap, or two have one number."""
    sectors: list[Sector] = []
    numbers: list[range] = []
    for bank in banks:
        sizes = [size for count, size in bank.runs for _ in range(count)]
        _check_sizes(bank.base, sizes, unit)
        first = len(sectors) if bank.first is None else bank.first
        numbers.append(range(first, first + len(sizes)))
        sectors += map(Sector, numbers[-1], starts_of(bank.base, sizes), sizes)
    for one, other in pairwise(sectors):
        if other.start < one.stop or other.number <= one.number:
            raise UsageError(
                "bad geometry",
                expected="banks in the order of their addresses and numbers",
                found=f"sector {other.number} at {address_text(other.start)} after {one.number}",
            )
    is_one = len(banks) == 1
    name = "a chip of the geometry given"
    return Chip(name, pid, unit, tuple(sectors), tuple(numbers), can_be_cut=is_one, is_whole=False)


def _check_sizes(base: int, sizes: Sequence[int], unit: int) -> None:
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


def starts_of(start: int, sizes: Sequence[int]) -> list[int]:
    """Where sectors of *sizes* begin that lie one behind the other."""
    return list(accumulate(sizes[:-1], initial=start))

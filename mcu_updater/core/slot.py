"""Regions, layouts, and a window on a device, by offset.

A slot is where an image stands; its trailer, two halves that are used in turn, holds the journal.
Where slot and trailer lie is the layout's to say; what they leave is the application's own.

Banks that can be exchanged are laid out alike, at offsets in the bank (``Layout``):

    bank   | boot | slot: the image | half 0 | half 1 | application data

Without an exchange there are three such areas in one array (``CopyLayout``): the images are kept
in two of them, and the one that is to run is copied to the third.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from mcu_updater.core.errors import UsageError
from mcu_updater.core.flash import FlashDevice, Geometry, match_of, sha256_of

ERASED = 0xFF


def _starts(sizes: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Where sectors of these sizes begin, one behind the other; and where the last one ends."""
    *starts, end = accumulate(sizes, initial=0)
    return tuple(starts), end


@dataclass(frozen=True, slots=True)
class Region:
    """Whole sectors, from *offset* on. Sizes in bytes."""

    offset: int
    sector_sizes: tuple[int, ...]

    sector_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Of each sector, from *offset* on."""
    size: int = field(init=False, repr=False, compare=False)
    end: int = field(init=False, repr=False, compare=False)
    """Offset behind the last byte."""

    def __post_init__(self) -> None:
        starts, size = _starts(self.sector_sizes)
        derived = {"sector_starts": starts, "size": size, "end": self.offset + size}
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of_sectors(cls, sizes: Sequence[int], sectors: range) -> Region:
        """*sectors* of an array of sectors of these *sizes*, by index."""
        return cls(sum(sizes[: sectors.start]), tuple(sizes[sectors.start : sectors.stop]))


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a slot and its trailer lie: in each bank, or at one place of the array."""

    slot: Region
    halves: tuple[Region, Region]

    @property
    def regions(self) -> tuple[Region, ...]:
        return (self.slot, *self.halves)

    @classmethod
    def at(cls, sizes: Sequence[int], slot: range, halves: tuple[range, range]) -> Layout:
        """Lay out *slot* and *halves*, each by the indices of its sectors.

        Raises UsageError where they overlap or are not there.
        """
        _check_disjoint([slot, *halves], len(sizes))
        first, second = (Region.of_sectors(sizes, half) for half in halves)
        return cls(Region.of_sectors(sizes, slot), (first, second))

    @classmethod
    def of(cls, geometry: Geometry, *, boot: int, slot: int, half: int) -> Layout:
        """Lay out *boot*, *slot* and *half* (twice), each a number of sectors, one behind the
        other."""
        sizes = tuple(geometry.sector_sizes)
        if boot + slot + 2 * half > len(sizes):
            raise UsageError(
                "layout does not fit a bank",
                expected=f"at most {len(sizes)} sectors",
                found=f"{boot} + {slot} + 2 x {half}",
            )
        trailer = boot + slot
        halves = range(trailer, trailer + half), range(trailer + half, trailer + 2 * half)
        return cls.at(sizes, range(boot, trailer), halves)


@dataclass(frozen=True, slots=True)
class CopyLayout:
    """Where images are kept and where they run, at offsets in the whole array, all banks of it.

    The execution slot takes what either storage slot can hold, so that what was stored can run.
    """

    execution: Layout
    storage: tuple[Layout, Layout]

    def __post_init__(self) -> None:
        regions = sorted(self.regions, key=lambda region: region.offset)
        if any(lower.end > upper.offset for lower, upper in pairwise(regions)):
            raise UsageError("regions of the layout overlap")
        room = self.execution.slot.size
        for area in self.storage:
            if area.slot.size > room:
                raise UsageError(
                    "an image could be stored that cannot run",
                    expected=f"storage slots of at most {room} bytes",
                    found=f"{area.slot.size}",
                )

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(r for area in (self.execution, *self.storage) for r in area.regions)


AnyLayout = Layout | CopyLayout


def _check_disjoint(pieces: Iterable[range], count: int) -> None:
    taken: set[int] = set()
    for piece in pieces:
        if not piece or piece.step != 1 or piece.start < 0 or piece.stop > count:
            raise UsageError(
                "layout does not fit the sectors",
                expected=f"sectors 0 to {count - 1}",
                found=f"{piece.start} to {piece.stop - 1}",
            )
        if not taken.isdisjoint(piece):
            raise UsageError(
                "regions of the layout overlap", found=f"sectors {piece.start} to {piece.stop - 1}"
            )
        taken.update(piece)


class Window:
    """One region of one bank. Offsets are relative to the region.

    *address* is where the CPU sees it now, *link_address* where what is written to it will run:
    where its bank is mapped, or in the execution slot. An image is linked for the latter.
    """

    __slots__ = (
        "address",
        "device",
        "link_address",
        "sector_sizes",
        "sector_starts",
        "size",
        "unit",
    )

    def __init__(
        self,
        device: FlashDevice,
        address: int,
        sectors: Sequence[int] | Region,
        link_address: int | None = None,
    ) -> None:
        """*sectors*: their sizes; or a region, wherever it lies."""
        region = sectors if isinstance(sectors, Region) else Region(0, tuple(sectors))
        self.device = device
        self.address = address
        self.link_address = address if link_address is None else link_address
        self.sector_sizes, self.sector_starts = region.sector_sizes, region.sector_starts
        self.size = region.size
        self.unit = device.geometry.program_unit

    @classmethod
    def of_bank(cls, device: FlashDevice, region: Region, distance: int) -> Window:
        """*region* of the bank that begins *distance* bytes behind the base address: 0 where it
        is the one that is mapped there, else the size of a bank."""
        link_address = device.geometry.base + region.offset
        return cls(device, link_address + distance, region, link_address)

    @classmethod
    def of_array(
        cls, device: FlashDevice, region: Region, link_address: int | None = None
    ) -> Window:
        """*region* of an array whose banks are never exchanged."""
        return cls(device, device.geometry.base + region.offset, region, link_address)

    def read(self, offset: int, size: int) -> bytes:
        """Raises OSError where a unit is unreadable."""
        return self.device.read(self.address + offset, size)

    def peek(self, offset: int, size: int) -> bytes | None:
        """Like ``read``; None where a unit is unreadable. That is a datum here, not an error."""
        try:
            return self.device.read(self.address + offset, size)
        except OSError:
            return None

    def sha256(self, size: int) -> bytes | None:
        """Of the first *size* bytes; None where a unit is unreadable."""
        try:
            return sha256_of(self.device, self.address, size)
        except OSError:
            return None

    def match(self, offset: int, expected: bytes) -> int:
        """How many bytes from *offset* on read as *expected*, up to a unit that does not.

        A unit that cannot be read holds nothing; none behind the first that differs is looked at.
        """
        return match_of(self.device, self.address + offset, expected)

    def holds(self, offset: int, expected: bytes) -> bool:
        """Whether the bytes from *offset* on read as *expected*."""
        return match_of(self.device, self.address + offset, expected) == len(expected)

    def program(self, offset: int, data: bytes) -> None:
        """Program whole units; see FlashDevice.program for what a cut leaves."""
        self.device.program(self.address + offset, data)

    def erase_sector(self, index: int) -> None:
        """Erase sector *index* of this window; see FlashDevice.erase for what a cut leaves."""
        self.device.erase(self.address + self.sector_starts[index])

    def erase_up_to(self, end: int) -> None:
        """Erase every sector that holds a byte below *end*, in ascending order."""
        for index, start in enumerate(self.sector_starts):
            if start < end:
                self.erase_sector(index)

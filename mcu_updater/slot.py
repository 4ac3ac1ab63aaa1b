"""A window on a device, by offset, and how each bank is laid out.

Every bank holds the same three things at the same offsets: a boot region, which the updater never
writes, the slot, and the slot's trailer. What follows the trailer is the application's own.

    bank   +0          +slot                              +trailer
           | boot      | slot: the image                  | half 0 | half 1 | application data
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from mcu_updater.errors import UsageError
from mcu_updater.flash import FlashDevice, Geometry

ERASED = 0xFF


@dataclass(frozen=True, slots=True)
class Region:
    """Whole sectors of a bank, from *offset* on. Sizes in bytes."""

    offset: int
    sector_sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(self.sector_sizes)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where slot and trailer lie in each bank. The halves of the trailer are used in turn."""

    slot: Region
    halves: tuple[Region, Region]

    @classmethod
    def of(cls, geometry: Geometry, *, boot: int, slot: int, half: int) -> Layout:
        """Lay out *boot*, *slot* and *half* (twice), each a number of sectors."""
        sizes = tuple(geometry.sector_sizes)
        starts = list(accumulate(sizes, initial=0))
        if boot + slot + 2 * half > len(sizes):
            raise UsageError(
                "layout does not fit a bank",
                expected=f"at most {len(sizes)} sectors",
                found=f"{boot} + {slot} + 2 x {half}",
            )

        def region(first: int, count: int) -> Region:
            return Region(starts[first], sizes[first : first + count])

        trailer = boot + slot
        return cls(region(boot, slot), (region(trailer, half), region(trailer + half, half)))


class Window:
    """One region of one bank. Offsets are relative to the region.

    *address* is where the CPU sees it now, *link_address* where it sees it when its bank is mapped:
    an image is linked for the latter, whichever bank it is written to.
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
        sector_sizes: Sequence[int],
        link_address: int | None = None,
    ) -> None:
        self.device = device
        self.address = address
        self.link_address = address if link_address is None else link_address
        self.sector_sizes = tuple(sector_sizes)
        *starts, self.size = accumulate(self.sector_sizes, initial=0)
        self.sector_starts = tuple(starts)
        self.unit = device.geometry.program_unit

    @classmethod
    def of_bank(cls, device: FlashDevice, region: Region, *, mapped: bool) -> Window:
        """*region* of the bank that is mapped at the base address, or of the other one."""
        geometry = device.geometry
        link_address = geometry.base + region.offset
        distance = 0 if mapped else sum(geometry.sector_sizes)
        return cls(device, link_address + distance, region.sector_sizes, link_address)

    def read(self, offset: int, size: int) -> bytes:
        """Raises OSError where a unit is unreadable."""
        return self.device.read(self.address + offset, size)

    def peek(self, offset: int, size: int) -> bytes | None:
        """Like ``read``; None where a unit is unreadable. That is a datum here, not an error."""
        try:
            return self.device.read(self.address + offset, size)
        except OSError:
            return None

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

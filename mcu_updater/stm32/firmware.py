"""A whole image as the flasher wants it: what belongs where, sorted, without overlap.

The decoders are strict and say line and column. Here is what only the whole and the chip can tell:
whether there is room, and whether the image is made for the place where it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mcu_updater.core.errors import ImageRejected, Remedy, address_text
from mcu_updater.core.image import Extent, Rule, check_vector_table
from mcu_updater.core.image.memory import FLASH, Region, region_of
from mcu_updater.core.image.vectors import looks_like_vectors, place_of, signed_header_size
from mcu_updater.stm32.chip import Chip, Sector

ERASED = b"\xff"
_FLASH = (FLASH.addresses.start, FLASH.addresses.stop)
_LISTED = 8  # parts that an error names


@dataclass(frozen=True, slots=True)
class Segment:
    address: int
    data: bytes

    @property
    def stop(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class Firmware:
    """Segments in address order; none touches the next."""

    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        return sum(len(segment.data) for segment in self.segments)

    @property
    def start(self) -> int:
        return self.segments[0].address

    def padded(self, unit: int) -> Firmware:
        """Ends widened to multiples of *unit* with erased bytes; what then meets is joined."""
        parts: list[tuple[int, bytearray]] = []
        for segment in self.segments:
            start = segment.address - segment.address % unit
            if parts and start < parts[-1][0] + len(parts[-1][1]):
                held_start, held = parts[-1]
                del held[segment.address - held_start :]  # padding that is not needed now
            elif parts and start == parts[-1][0] + len(parts[-1][1]):
                held = parts[-1][1]
                held += ERASED * (segment.address - start)
            else:
                held = bytearray(ERASED * (segment.address - start))
                parts.append((start, held))
            held += segment.data
            held += ERASED * (-len(held) % unit)
        return Firmware(tuple(Segment(start, bytes(data)) for start, data in parts))

    def within(self, start: int, stop: int) -> list[Segment]:
        """What of it lies in [*start*, *stop*)."""
        return [
            Segment(max(start, s.address), s.data[max(start - s.address, 0) : stop - s.address])
            for s in self.segments
            if s.address < stop and start < s.stop
        ]


def join(extents: Iterable[Extent]) -> Firmware:
    """Sort and join. Records may repeat what others said, but not contradict it."""
    parts: list[tuple[int, bytearray]] = []
    records = (record for extent in extents for record in extent.each_line())
    for address, data, line, _ in sorted(records, key=lambda record: record.address):
        if not data:
            continue
        if not parts or address > parts[-1][0] + len(parts[-1][1]):
            parts.append((address, bytearray(data)))
            continue
        start, held = parts[-1]
        common = held[address - start : address - start + len(data)]
        if common != data[: len(common)]:
            raise ImageRejected(
                "two records contradict each other",
                where=f"{address_text(address)}, line {line}" if line else address_text(address),
                then="Nothing was changed",
            )
        held += data[len(common) :]
    if not parts:
        raise ImageRejected("the image holds no data", then="Nothing was changed")
    return Firmware(tuple(Segment(start, bytes(held)) for start, held in parts))


def blank_firmware(sectors: Sequence[Sector]) -> Firmware:
    """What *sectors* hold when they are erased."""
    return Firmware(tuple(Segment(s.start, ERASED * len(s)) for s in runs_of(sectors)))


def runs_of(sectors: Sequence[Sector]) -> list[range]:
    """The addresses of *sectors*, which are in order, joined where they adjoin."""
    runs: list[range] = []
    for sector in sectors:
        if runs and runs[-1].stop == sector.start:
            runs[-1] = range(runs[-1].start, sector.stop)
        else:
            runs.append(range(sector.start, sector.stop))
    return runs


def holes_in(chip: Chip, span: range) -> list[range]:
    """What of *span* lies between two banks, where there is no flash."""
    runs = runs_of(chip.sectors)
    between = (range(one.stop, other.start) for one, other in pairwise(runs))
    parts = (range(max(hole.start, span.start), min(hole.stop, span.stop)) for hole in between)
    return [part for part in parts if part]


def check_fits(firmware: Firmware, chip: Chip) -> None:
    """Raise ImageRejected unless every byte lies in the chip's flash; it names what does not."""
    outside = [s for s in firmware.segments if not chip.covers(s.address, s.stop)]
    if not outside:
        return
    flash = " and ".join(
        f"{address_text(run.start)} up to {address_text(run.stop)}" for run in runs_of(chip.sectors)
    )
    begins_inside = any(chip.sectors_of(s.address, s.address + 1) for s in outside)
    elsewhere = [s for s in outside if _memory(s, chip) is not FLASH]
    some_fits = len(elsewhere) == len(outside) < len(firmware.segments)
    raise ImageRejected(
        "image is too big for the chip"
        if begins_inside
        else "part of the image lies outside the flash"
        if some_fits
        else "image lies outside the flash",
        where=chip.name,
        expected=f"{flash}, {chip.size} bytes",
        found=", ".join(_described(s, chip) for s in outside[:_LISTED]),
        then="Nothing was changed"
        if some_fits
        else "Nothing was changed; is it built for this part, and for this address?",
        rule=Rule.OUTSIDE if some_fits else "",
        remedies=() if some_fits else [Remedy.ADDRESS],
    )


def _memory(segment: Segment, chip: Chip) -> Region:
    own = (Region("option bytes", chip.option_bytes),) if chip.option_bytes else ()
    return region_of(segment.address, own)


def _described(segment: Segment, chip: Chip) -> str:
    return (
        f"{address_text(segment.address)} up to {address_text(segment.stop)} "
        f"({len(segment.data)} bytes, {_memory(segment, chip).name})"
    )


def check_starts(firmware: Firmware) -> None:
    """Raise ImageRejected for a vector table that is not for the place where it goes.

    As the updater judges an image before its first erase; but there is no slot here, so the reset
    vector must lie within the image. In a signed image the table stands behind MCUboot's header.
    Where flash begins, there must be one; elsewhere data may stand, which look like none. What does
    not lie in flash at all is not judged: ``check_fits`` refuses it, and nothing forces that.
    """
    in_flash = firmware.within(*_FLASH)
    if not in_flash:
        return
    first = in_flash[0]
    skipped = signed_header_size(first.data)
    start = first.address + skipped
    place = place_of(start, max(s.stop for s in in_flash))
    head = first.data[skipped:]
    if start == FLASH.addresses.start or looks_like_vectors(head):
        check_vector_table(head, start, len(place))

"""An image as a whole: its segments, sorted and joined. Time is that of a sort, whatever the file.

A file may give its records in any order. It may not give a byte twice, nor hold so many pieces or
so large a gap that it can only be damage or an attack.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from mcu_updater.core.errors import ImageRejected, address_text
from mcu_updater.core.image import STRICT, Allow, Allowed, Extent
from mcu_updater.core.image.memory import may_hold_image, region_of

SEGMENTS: Final = 4096
GAP: Final = 256 << 20
"""More than lies between any two memories of one kind. Option bytes, RAM and external flash are
further from flash than that, and are where they belong; other far addresses are damage."""
BYTES: Final = 256 << 20


class Segment(NamedTuple):
    """Bytes without a gap."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)

    def within(self, span: range) -> Segment | None:
        """What of it lies in *span*; None: nothing does."""
        begin, end = max(self.address, span.start), min(self.end, span.stop)
        if begin >= end:
            return None
        return Segment(begin, self.data[begin - self.address : end - self.address])


@dataclass(frozen=True, slots=True)
class MemoryImage:
    """*segments*, ascending, not touching. *entry*: start address, where the file gives one."""

    segments: tuple[Segment, ...]
    entry: int | None = None

    @property
    def start(self) -> int:
        return self.segments[0].address

    @property
    def end(self) -> int:
        return self.segments[-1].end

    @property
    def size(self) -> int:
        """Bytes that the file gives."""
        return sum(len(segment.data) for segment in self.segments)

    @property
    def gaps(self) -> tuple[range, ...]:
        return tuple(range(a.end, b.address) for a, b in pairwise(self.segments))

    def flat(self, fill: int = 0xFF) -> bytes:
        """From the first byte to the last, gaps filled."""
        parts = [self.segments[0].data]
        for before, segment in pairwise(self.segments):
            parts += [bytes((fill,)) * (segment.address - before.end), segment.data]
        return b"".join(parts)

    def within(self, spans: Sequence[range]) -> MemoryImage | None:
        """What of it lies in *spans*, which do not overlap; None: nothing does."""
        kept = [part for s in self.segments for span in spans if (part := s.within(span))]
        return MemoryImage(tuple(sorted(kept)), self.entry) if kept else None

    def read(self, address: int, size: int) -> bytes | None:
        """None where the image does not give all of them."""
        for segment in self.segments:
            if segment.address <= address and address + size <= segment.end:
                offset = address - segment.address
                return segment.data[offset : offset + size]
        return None


def assemble(
    extents: Iterable[Extent], entry: int | None = None, allow: Allowed = STRICT
) -> MemoryImage:
    """The image of *extents*, in whatever order they come.

    Raises ImageRejected when there are none, a byte is given twice, or the limits are passed.
    """
    runs = _runs(extents)
    if not runs:
        raise ImageRejected("image holds no data", expected="data", found="none")
    runs.sort(key=lambda run: run[0])
    segments: list[tuple[int, bytearray]] = []
    for address, data, line in runs:
        if segments:
            start, held = segments[-1]
            end = start + len(held)
            if address < end:
                _check_overlap(held, address - start, address, data, line, allow)
                data, address = data[end - address :], end
            if address == end:
                held += data
                continue
        segments.append((address, data))
    image = MemoryImage(tuple(Segment(at, bytes(held)) for at, held in segments), entry)
    _check_limits(image, allow)
    return image


def _runs(extents: Iterable[Extent]) -> list[tuple[int, bytearray, int]]:
    """Extents that follow one another joined: address, data, first line."""
    runs: list[tuple[int, bytearray, int]] = []
    held, end, total = bytearray(), -1, 0
    for address, data, line, _ in extents:
        if address != end:
            held, end = bytearray(), address
            runs.append((address, held, line))
        held += data
        end += len(data)
        total += len(data)
        if total > BYTES:
            raise ImageRejected("image is too large", expected=f"at most {BYTES} bytes")
    return runs


def _check_overlap(
    held: bytearray, offset: int, address: int, data: bytearray, line: int, allow: Allowed
) -> None:
    """*data* begin inside *held*. The common bytes must be allowed, and equal."""
    old = held[offset : offset + len(data)]
    common = len(old)
    same = old == data[:common]
    where = f"line {line}, column 1" if line else address_text(address)
    if not same or Allow.SAME not in allow:
        at = next((i for i in range(common) if old[i] != data[i]), 0)
        raise ImageRejected(
            "data overlap" if same else "data overlap, and differ",
            where=where,
            expected="each byte once" if same else f"{old[at]:02X} at {address_text(address + at)}",
            found=f"{common} bytes from {address_text(address)} again"
            if same
            else f"{data[at]:02X}",
            rule=Allow.SAME if same else "",
        )


def _check_limits(image: MemoryImage, allow: Allowed) -> None:
    if Allow.GAPS in allow:
        return
    if len(image.segments) > SEGMENTS:
        raise ImageRejected(
            "too many segments",
            expected=f"at most {SEGMENTS}",
            found=str(len(image.segments)),
            then="No compiler leaves so many holes; the file may be damaged",
            rule=Allow.GAPS,
        )
    for gap in image.gaps:
        if len(gap) > GAP and not may_hold_image(gap.stop):
            raise ImageRejected(
                "gap is absurd",
                where=address_text(gap.start),
                expected=f"at most {GAP >> 20} MiB",
                found=f"{len(gap) >> 20} MiB, up to {address_text(gap.stop)}, "
                f"{region_of(gap.stop).name}",
                rule=Allow.GAPS,
            )

"""What a chip must hold before it can be updated: the first image with its journal, as a value.

It is what ``Board.new`` leaves on an emulated chip, to the byte, cut into what a host writes one
after the other: first the image, then the journal that makes it count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flash_emulator import Part
from mcu_updater.board.board import Board
from mcu_updater.core.errors import ImageRejected, address_text
from mcu_updater.core.image import Extent
from mcu_updater.core.slot import CopyLayout, Region
from mcu_updater.core.strategy import Strategy
from mcu_updater.stm32.firmware import Firmware, Segment, join

ERASED = 0xFF


@dataclass(frozen=True, slots=True)
class FirstInstallation:
    """*images*: of the slot, and of the execution slot where images are copied to one. *journals*:
    what makes them count. *trailers*: all that may hold a journal, which must be blank before;
    *trailers_whole*: what they hold in the end, blank units too.
    *boot_regions*: where the chip's own bootloader stands, once in each bank that is exchanged.
    """

    part: Part
    strategy: Strategy
    version: str
    slot: range
    images: Firmware
    journals: Firmware
    trailers: tuple[range, ...]
    trailers_whole: Firmware
    boot_regions: tuple[range, ...]
    image_sha256: bytes

    @classmethod
    def of(cls, board: Board) -> FirstInstallation:
        """*board* as ``Board.new`` made it."""
        trailers = tuple(_trailers(board))
        slots = tuple(_slots(board))
        snapshot = board.banks()[0].journal.read().snapshot
        assert snapshot is not None
        return cls(
            part=board.part,
            strategy=board.strategy,
            version=snapshot.version,
            slot=slots[0],
            images=_written(board, slots),
            journals=_written(board, trailers),
            trailers=trailers,
            trailers_whole=_whole(board, trailers),
            boot_regions=tuple(_boot_regions(board)),
            image_sha256=snapshot.image_sha256,
        )

    def with_bootloader(self, bootloader: Firmware) -> Firmware:
        """*bootloader*, once for each bank that is exchanged. Raises ImageRejected where it does
        not fit: it is linked for the first bank, where the CPU sees whichever is mapped."""
        home = self.boot_regions[0]
        last = bootloader.segments[-1]
        if bootloader.start < home.start or last.stop > home.stop:
            raise ImageRejected(
                "the bootloader lies outside the boot region",
                expected=f"{address_text(home.start)} up to {address_text(home.stop)}",
                found=f"{address_text(bootloader.start)} up to {address_text(last.stop)}",
                then="Nothing was changed",
            )
        return Firmware(
            tuple(
                Segment(segment.address - home.start + region.start, segment.data)
                for region in self.boot_regions
                for segment in bootloader.segments
            )
        )


def _areas(board: Board) -> list[list[tuple[Region, ...]]]:
    """Regions of each bank or storage slot: slot, half 0, half 1; the last is where images run."""
    layout = board.layout
    if isinstance(layout, CopyLayout):
        return [[area.regions for area in (*layout.storage, layout.execution)]]
    return [[layout.regions] for _ in board.part.bank_starts]


def _regions(board: Board) -> Iterator[tuple[range, ...]]:
    """Addresses of slot and halves, area by area."""
    copies = isinstance(board.layout, CopyLayout)
    for bank, areas in enumerate(_areas(board)):
        shift = 0 if copies else bank * board.part.bank_size
        for regions in areas:
            yield tuple(_addresses(board.part, shift + r.offset, r.size) for r in regions)


def _addresses(part: Part, offset: int, size: int) -> range:
    """A region that crosses from bank to bank is one range only where the banks adjoin."""
    start = part.address_of(offset)
    return range(start, part.address_of(offset + size - 1) + 1)


def _trailers(board: Board) -> Iterator[range]:
    for _slot, *halves in _regions(board):
        yield from halves


def _slots(board: Board) -> Iterator[range]:
    """The slot that the first image is stored in; and where it runs, if that is another."""
    found = [slot for slot, *_halves in _regions(board)]
    yield found[0]
    if isinstance(board.layout, CopyLayout):
        yield found[-1]


def _boot_regions(board: Board) -> Iterator[range]:
    """From where the CPU starts up to the first thing that is the updater's."""
    layout = board.layout
    room = min(region.offset for region in layout.regions)
    starts = board.part.bank_starts
    for start in starts[:1] if isinstance(layout, CopyLayout) else starts:
        yield range(start, start + room)


def _written(board: Board, places: Iterable[range]) -> Firmware:
    """Runs of program units that are not erased. Erased ones must stay so: the journal's next
    records go there."""
    segments: list[Segment] = []
    for place in places:
        segments += _runs(board, place)
    return Firmware(tuple(sorted(segments, key=lambda segment: segment.address)))


def _whole(board: Board, places: Iterable[range]) -> Firmware:
    return join(
        Extent(place.start, board.device.read(place.start, len(place)), 0) for place in places
    )


def _runs(board: Board, place: range) -> Iterator[Segment]:
    data = board.device.read(place.start, len(place))
    unit = board.part.program_unit
    blank = bytes([ERASED]) * unit
    start = None
    for at in range(0, len(data) + unit, unit):
        is_blank = data[at : at + unit] in (blank, b"")
        if start is None and not is_blank:
            start = at
        elif start is not None and is_blank:
            yield Segment(place.start + start, data[start:at])
            start = None

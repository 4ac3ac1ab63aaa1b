"""Extents to verified sectors: whole program units, each written once, sector after sector.

The writer holds one sector in RAM. It takes extents in ascending order only: what comes later in
the package must lie higher in the slot. Sectors below the first extent and in gaps are erased
too, so that the slot's bytes up to the image's end are a function of the image alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu_updater.core.digest import Hash
from mcu_updater.core.errors import ImageRejected, VerificationFailed, address_text
from mcu_updater.core.image import Extent, Rule, check_vector_table
from mcu_updater.core.image.memory import FLASH, region_of
from mcu_updater.core.image.vectors import HEAD_SIZE
from mcu_updater.core.slot import ERASED, Window

TRIES = 2  # a sector that does not verify is erased and programmed once more


class SectorWriter:
    """Writes one image into *slot*. Sectors below *done* stand there already and are left alone.

    *check_vectors*: the image begins with its vector table. A signed one begins with its header,
    and whoever looks at its signature looks at that, too.
    """

    def __init__(
        self, slot: Window, digest: Hash, *, done: int = 0, check_vectors: bool = True
    ) -> None:
        self._slot = slot
        self._check_vectors = check_vectors
        self._digest = digest
        self.done = done
        self.units_programmed = 0
        self._enter(0)

    def _enter(self, sector: int) -> None:
        """Begin with *sector*; one behind the last when the slot is full."""
        starts, sizes = self._slot.sector_starts, self._slot.sector_sizes
        self._sector = sector  # index of the sector in RAM
        self._start, self._size = (
            (starts[sector], sizes[sector]) if sector < len(starts) else (self._slot.size, 0)
        )
        self._held = bytearray()  # its bytes from its start up to the cursor

    @property
    def cursor(self) -> int:
        """Offset in the slot behind the last byte taken; at the end, the image's size."""
        return self._start + len(self._held)

    def state(self) -> tuple[int, bytes]:
        """Sector in RAM and its bytes so far, for ``resume``."""
        return self._sector, bytes(self._held)

    def resume(self, sector: int, held: bytes) -> None:
        """Go on where a writer with this ``state`` was. Its digest is the caller's to restore."""
        self._enter(sector)
        self._held += held

    def put(self, extent: Extent) -> Iterator[int]:
        """Take *extent*; yield the index of each sector that it completes, once it is verified.

        Raises ImageRejected when it lies outside the slot or not above all before it, and
        VerificationFailed when flash does not hold what was written. A cut while a sector is
        being written leaves that sector in any state; none before it is touched.
        """
        if extent.lines > 1 and not self._takes(extent):
            for record in extent.each_line():  # those before the first that is wrong count
                yield from self.put(record)
            return
        offset = self.place(extent)
        if offset == self.cursor and len(self._held) + len(extent.data) < self._size:
            self._held += extent.data  # most records, by far
            return
        data = memoryview(extent.data)
        while data:
            yield from self._advance(offset)
            room = self._size - len(self._held)
            piece, data = data[:room], data[room:]
            self._held += piece
            offset += len(piece)
        if self._held and len(self._held) == self._size:
            yield from self._complete()

    def finish(self) -> Iterator[int]:
        """Write the last, unfilled sector. The image's size is ``cursor`` before and after."""
        if self.cursor < HEAD_SIZE:
            raise ImageRejected(
                "image without a vector table",
                expected=f"at least {HEAD_SIZE} bytes",
                found=f"{self.cursor}",
            )
        if self._held:
            yield from self._write_sector()
            self._digest.update(bytes(self._held))

    # --- inside

    def _takes(self, extent: Extent) -> bool:
        """Whether ``place`` has one for all of *extent*."""
        offset = extent.address - self._slot.link_address
        return self.cursor <= offset <= self._slot.size - len(extent.data)

    def place(self, extent: Extent) -> int:
        """Offset of *extent* in the slot. Raises ImageRejected as ``put`` does."""
        begin, base = extent.address, self._slot.link_address
        end = begin + len(extent.data)
        where = f"line {extent.line}" if extent.line else f"image offset {self.cursor}"
        memory = region_of(begin)
        is_part = memory is not FLASH and self.cursor > 0
        if begin < base or end > base + self._slot.size:
            raise ImageRejected(
                "data outside the slot",
                where=where,
                expected=f"{address_text(base)} to {address_text(base + self._slot.size - 1)}",
                found=f"{address_text(begin)} to {address_text(end - 1)}, {memory.name}",
                then="The device writes flash only: that part is not for it"
                if is_part
                else "The image is linked for another address or does not fit",
                rule=Rule.OUTSIDE if is_part else "",
            )
        if begin - base < self.cursor:
            raise ImageRejected(
                "data overlap, or do not ascend",
                where=where,
                expected=f"an address from {address_text(base + self.cursor)} on",
                found=address_text(begin),
                then="The image is written in one pass: sort its records by address",
                rule=Rule.ORDER,
            )
        return begin - base

    def _advance(self, offset: int) -> Iterator[int]:
        """Fill with 0xFF up to *offset*, completing the sectors on the way."""
        while self._start + self._size <= offset:
            yield from self._complete()
        self._held += bytes([ERASED]) * (offset - self.cursor)

    def _complete(self) -> Iterator[int]:
        self._held += bytes([ERASED]) * (self._size - len(self._held))
        yield from self._write_sector()
        self._digest.update(bytes(self._held))
        self._enter(self._sector + 1)

    def _write_sector(self) -> Iterator[int]:
        if self._sector == 0 and self._check_vectors:
            check_vector_table(
                bytes(self._held[:HEAD_SIZE]), self._slot.link_address, self._slot.size
            )
        if self._sector < self.done:
            return
        unit = self._slot.unit
        data = bytes(self._held) + bytes([ERASED]) * (-len(self._held) % unit)
        for _ in range(TRIES):
            if self._try_sector(data):
                yield self._sector
                return
        raise VerificationFailed(
            "flash does not hold what was written",
            where=f"sector at {address_text(self._slot.address + self._start)}",
            expected="the image's bytes",
            found=f"something else, {TRIES} times",
            then="The active slot is untouched; this sector is worn out or protected",
        )

    def _try_sector(self, data: bytes) -> bool:
        """Erase, program, read back. False when the device refuses or holds something else."""
        try:
            self._slot.erase_sector(self._sector)
            for offset, run in runs(data, self._slot.unit):
                self._slot.program(self._start + offset, run)
                self.units_programmed += len(run) // self._slot.unit
        except OSError:
            return False
        return self._slot.peek(self._start, len(data)) == data


def runs(data: bytes, unit: int) -> Iterator[tuple[int, bytes]]:
    """Stretches of *data* without a blank unit, and their offsets.

    A unit of nothing but 0xFF is left virgin: programming it would spend it for nothing.
    """
    blank = bytes([ERASED]) * unit
    if blank not in data:
        yield 0, data
        return
    begin = None
    for offset in range(0, len(data), unit):
        if data[offset : offset + unit] != blank:
            begin = offset if begin is None else begin
        elif begin is not None:
            yield begin, data[begin:offset]
            begin = None
    if begin is not None:
        yield begin, data[begin:]

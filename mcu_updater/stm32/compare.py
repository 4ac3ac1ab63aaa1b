"""Which sectors hold what they should already: asked of the chip's CRC, of its flash, or believed.

Reading costs as much wire as writing, so it stops at the first difference in a sector, and is given
up where a few probes say that the chip holds something else altogether.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from flash_emulator import an3155
from mcu_updater.stm32.chip import FRAME_SIZE, Sector
from mcu_updater.stm32.events import Progress, Stage
from mcu_updater.stm32.firmware import ERASED, Firmware, Segment, runs_of
from mcu_updater.stm32.retry import RetryingRom
from mcu_updater.stm32.sector_cache import SectorCache

PROBES, PROBE_SIZE = 4, 16
"""Sectors that are looked into first, and bytes of each. They miss what is there with a chance of
1 in 16 where half of the sectors hold the image, which is when reading begins to pay, and of 1 in
10,000 where nine of ten do. A probe costs three turnarounds: a miss, time and no more."""

SAMPLES = 8  # blocks that are read to see whether the cache may be believed


class DiffMethod(StrEnum):
    """How to find out what need not be written."""

    AUTO = "auto"  # CRC where the ROM has it, else read-back
    CRC = "crc"
    READ = "read"
    CACHE = "cache"  # what this host left there, checked by samples
    OFF = "off"  # everything is written


Comparing = Generator[Progress, None, set[int]]
"""Yields progress; returns the numbers of the sectors that hold the image."""


class Difference(NamedTuple):
    """The first byte in a sector that is not as it should be, and what follows it."""

    address: int
    wanted: bytes
    found: bytes


Differing = Generator[Progress, None, dict[int, Difference]]
"""Yields progress; returns the differences, by sector number."""


class Comparer:
    """Compares the covered bytes of sectors with *firmware*."""

    def __init__(self, rom: RetryingRom, firmware: Firmware) -> None:
        self._rom, self._firmware = rom, firmware
        self.position = 0  # what is being read

    def parts(self, sector: Sector) -> list[Segment]:
        return self._firmware.within(sector.start, sector.stop)

    # --- by CRC

    def equal_by_crc(self, sectors: Sequence[Sector], cache: SectorCache) -> Comparing:
        """Halves what differs until single sectors are left: few changes are found quickly.

        *cache* says where to begin: what it knows to be equal, as it thinks, is asked at once.
        The rest is not halved where a few probes say that the chip holds something else there: one
        CRC takes as many turnarounds as two reads.
        """
        same: set[int] = set()
        known = tuple(s for s in sectors if cache.holds(s, self._firmware))
        rest = without(sectors, {sector.number for sector in known})
        total, waiting = len(sectors), [rest, known]
        done = 0
        while waiting:
            some = waiting.pop()
            if not some:
                continue
            if self.crc_fits_all(some):
                same |= {sector.number for sector in some}
            elif len(some) > 1 and not (some is rest and self._differs_everywhere(rest)):
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]
                continue
            done += len(some)
            yield Progress(Stage.COMPARE, done, total)
        return same

    def _runs(self, sectors: Sequence[Sector]) -> list[Segment]:
        """What the firmware has in *sectors*, joined where they adjoin."""
        within = self._firmware.within
        return [part for run in runs_of(sectors) for part in within(run.start, run.stop)]

    def crc_fits_all(self, sectors: Sequence[Sector]) -> bool:
        return all(self.crc_fits(part) for part in self._runs(sectors))

    def crc_fits(self, part: Segment) -> bool:
        return self._rom.checksum(part.address, len(part.data)) == an3155.crc32(part.data)

    # --- by reading

    def equal_by_reading(self, sectors: Sequence[Sector]) -> Comparing:
        """One look each: what noise makes look different is written again, which does no harm."""
        if self._differs_everywhere(sectors):
            return set()
        differing = yield from self.differing(sectors, Stage.COMPARE, looks=1)
        return {sector.number for sector in sectors} - set(differing)

    def differing(self, sectors: Sequence[Sector], stage: Stage, looks: int = 3) -> Differing:
        """Read what the firmware has in *sectors*, across their borders; no further in a sector
        that differs. *looks* in a row must differ: reads have no checksum, and noise is not flash.
        """
        runs = self._runs(sectors)
        done, total = 0, sum(len(run.data) for run in runs)
        found: dict[int, Difference] = {}
        for run in runs:
            at = run.address
            while at < run.stop:
                self.position = at
                wanted = run.data[at - run.address :][: self._rom.read_size]
                difference = self._difference(at, wanted, looks)
                stop = at + len(wanted)
                if difference is not None:
                    sector = _sector_at(sectors, difference.address)
                    found[sector.number] = difference
                    stop = min(sector.stop, run.stop)
                done, at = done + stop - at, stop
                yield Progress(stage, done, total)
        return found

    def _difference(self, address: int, wanted: bytes, looks: int) -> Difference | None:
        found = b""
        for _ in range(looks):
            found = self._rom.read(address, len(wanted))
            if found == wanted:
                return None
            if looks > 1:  # it should be there
                self._rom.doubt_merged()
        pairs = enumerate(zip(wanted, found, strict=True))
        at = next(at for at, (one, other) in pairs if one != other)
        return Difference(address + at, wanted[at:], found[at:])

    def _differs_everywhere(self, sectors: Sequence[Sector]) -> bool:
        """As a few probes have it; of one sector nobody needs to know."""
        if len(sectors) < 2:
            return False
        step = -(-len(sectors) // PROBES)
        probed = (part for s in sectors[::step] if (part := _piece(self.parts(s), PROBE_SIZE)))
        return not any(map(self._reads, probed))

    def _reads(self, part: Segment) -> bool:
        return self._difference(part.address, part.data, looks=1) is None

    # --- by what this host remembers

    def equal_by_cache(self, sectors: Sequence[Sector], cache: SectorCache) -> set[int]:
        """Sectors that *cache* knows to hold it; none where a sample says otherwise."""
        known = [sector for sector in sectors if cache.holds(sector, self._firmware)]
        step = max(1, len(known) // SAMPLES)
        samples = [
            sample
            for s in islice(known, 0, None, step)
            if (sample := _piece(self.parts(s), FRAME_SIZE))
        ]
        return {s.number for s in known} if all(map(self._reads, samples)) else set()


def _sector_at(sectors: Sequence[Sector], address: int) -> Sector:
    return next(sector for sector in sectors if sector.start <= address < sector.stop)


def _piece(parts: Sequence[Segment], size: int) -> Segment | None:
    """The first *size* bytes, from a multiple of *size* in their part, that are not blank."""
    for part in parts:
        for at in range(0, len(part.data), size):
            data = part.data[at : at + size]
            if data != ERASED * len(data):
                return Segment(part.address + at, data)
    return None


def without(sectors: Sequence[Sector], numbers: Collection[int]) -> tuple[Sector, ...]:
    return tuple(sector for sector in sectors if sector.number not in numbers)

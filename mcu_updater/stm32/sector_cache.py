"""What the host remembers of one chip: what it left in which sector, and what may be half done.

Kept by the chip's UID. The first half saves time and is only a claim: the chip may have been
written by something else since, so whoever uses it takes samples. The second half is for safety: a
sector whose erase or write was begun and not verified may read as if it were right, or blank, and
must be erased again (DESIGN.md, idea 4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from mcu_updater.stm32.chip import Chip, Sector
from mcu_updater.stm32.firmware import Firmware


@dataclass(slots=True)
class SectorCache:
    """*digests* and *doubtful* are of sector numbers, of a chip of that *shape*."""

    digests: dict[int, str] = field(default_factory=dict)
    doubtful: set[int] = field(default_factory=set)
    shape: str = ""

    def of(self, chip: Chip) -> SectorCache:
        """What of it counts for *chip*. Numbers of another shape name other bytes: then nothing is
        known, and all is doubtful if anything was."""
        if self.shape == chip.shape:
            return self
        doubtful = {sector.number for sector in chip.sectors} if self.doubtful else set()
        return SectorCache(doubtful=doubtful, shape=chip.shape)

    def begin(self, sectors: Iterable[Sector]) -> None:
        """Nothing is known of *sectors* from now on."""
        for sector in sectors:
            self.digests.pop(sector.number, None)
            self.doubtful.add(sector.number)

    def finish(self, sectors: Iterable[Sector], firmware: Firmware) -> None:
        """*sectors* are verified to hold *firmware*."""
        for sector in sectors:
            self.doubtful.discard(sector.number)
            self.digests[sector.number] = digest_of(firmware, sector)

    def blank(self, sectors: Iterable[Sector]) -> None:
        """*sectors* were erased to the end, with power on."""
        for sector in sectors:
            self.digests.pop(sector.number, None)
            self.doubtful.discard(sector.number)

    def holds(self, sector: Sector, firmware: Firmware) -> bool:
        return self.digests.get(sector.number) == digest_of(firmware, sector)


class CacheStore(Protocol):
    """Where a SectorCache survives the program."""

    def load(self, pid: int, uid: bytes) -> SectorCache: ...
    def store(self, pid: int, uid: bytes, cache: SectorCache) -> None: ...


class NoCache:
    """Forgets everything."""

    def load(self, pid: int, uid: bytes) -> SectorCache:
        del pid, uid
        return SectorCache()

    def store(self, pid: int, uid: bytes, cache: SectorCache) -> None: ...


def digest_of(firmware: Firmware, sector: Sector) -> str:
    """Of what *firmware* has in *sector*, and where."""
    hasher = hashlib.sha256()
    for part in firmware.within(sector.start, sector.stop):
        hasher.update(part.address.to_bytes(4, "big") + len(part.data).to_bytes(4, "big"))
        hasher.update(part.data)
    return hasher.hexdigest()

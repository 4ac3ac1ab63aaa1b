"""What an erase does and does not touch: samples of sectors, taken before and compared after.

A ROM erases by number, and acknowledges. A host that takes the chip for another one (two banks
for one, bank 2 numbered otherwise) would erase bytes that nobody named, find its own sector as it
wanted it, and say "verified". So one sector is erased first, and then looked at: it must have
changed, those that come later must not have, and those that are kept never.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from mcu_updater.core.errors import Remedy, VerificationFailed, address_text
from mcu_updater.stm32.chip import Chip, Sector
from mcu_updater.stm32.firmware import ERASED
from mcu_updater.stm32.retry import RetryingRom

SAMPLES: Final = 12  # kept sectors that are looked at; each costs two short reads
SAMPLE_SIZE: Final = 16
_LOOKS: Final = 3  # reads have no checksum: a sample must differ so often in a row


class _Sample(NamedTuple):
    sector: Sector
    held: bytes


class Guard:
    """*position*: the sector that is being read, for whoever has to know what a ROM died of."""

    def __init__(self, rom: RetryingRom, chip: Chip) -> None:
        self.position: Sector | None = None
        self._rom, self._chip = rom, chip
        self._first: list[_Sample] = []
        self._later: list[_Sample] = []
        self._kept: list[_Sample] = []

    def look(self, erased: Sequence[Sector], avoid: Collection[int]) -> None:
        """Before the erase of *erased*, in that order; nothing numbered in *avoid* is read.

        Raises LinkError where the ROM dies of looking.
        """
        self._first = self._sampled(erased[:1], avoid)
        self._later = self._sampled(dict.fromkeys((*erased[1:2], *erased[2:][-1:])), avoid)
        gone = {sector.number for sector in erased} | set(avoid)
        kept = dict.fromkeys(s for s in self._suspects(erased) if s.number not in gone)
        self._kept = self._sampled(list(kept)[:SAMPLES], avoid)

    def first_is_unchanged(self) -> bool:
        """Whether the erase of the first sector has done nothing there."""
        return any(self._read(sample.sector) == sample.held for sample in self._first)

    def compare_after_first(self) -> None:
        """Raises VerificationFailed where the erase of the first sector hit another one."""
        self._compare(self._later)
        self.compare()

    def compare(self) -> None:
        """Raises VerificationFailed where a kept sector is no longer what it was."""
        self._compare(self._kept)

    # --- samples

    def _sampled(self, sectors: Iterable[Sector], avoid: Collection[int]) -> list[_Sample]:
        """A blank one has nothing to lose, and is no sample."""
        wanted = (sector for sector in sectors if sector.number not in avoid)
        samples = [_Sample(sector, self._read(sector)) for sector in wanted]
        return [sample for sample in samples if sample.held != ERASED * SAMPLE_SIZE]

    def _read(self, sector: Sector) -> bytes:
        self.position = sector
        return self._rom.read(sector.start, SAMPLE_SIZE)

    def _looks(self, sector: Sector) -> Iterator[bytes]:
        return (self._read(sector) for _ in range(_LOOKS))

    def _compare(self, samples: Sequence[_Sample]) -> None:
        for sector, held in samples:
            if held not in self._looks(sector):
                raise VerificationFailed(
                    "an erase has hit another sector than it was for",
                    where=f"{address_text(sector.start)}, {sector.size} bytes",
                    expected=held.hex(" "),
                    found=self._read(sector).hex(" "),
                    then=f"The chip is not laid out or numbered as {self._chip.name}, or an option "
                    "has exchanged its banks. What was in that sector is lost; nothing was written",
                    remedies=[Remedy.NAME_PART, Remedy.GEOMETRY],
                )

    # --- which sectors another count would hit

    def _suspects(self, erased: Sequence[Sector]) -> Iterator[Sector]:
        """Most likely first: what is numbered so by another count; neighbours; the same place in
        the other bank, which a ROM may mean whose banks an option has exchanged; where an option
        or the user has said how the flash is cut up, some of all the rest."""
        sectors = self._chip.sectors
        order = {sector.number: at for at, sector in enumerate(sectors)}
        places = [order[sector.number] for sector in erased]
        for sector in (erased[0], erased[-1]):
            counted = self._other_counts(sector.number)
            yield from self._at(at for at in counted if at != order[sector.number])
        yield from self._at((min(places) - 1, max(places) + 1))
        if len(self._chip.banks) > 1:
            yield from self._at([(places[0] + len(sectors) // 2) % len(sectors)])
        if self._chip.bank_options or not self._chip.is_whole:
            yield from sectors[:: -max(1, len(sectors) // SAMPLES)]

    def _other_counts(self, number: int) -> Iterator[int]:
        """Places in the array that a ROM may take *number* for: through all banks, in its own."""
        yield number
        for members in self._chip.banks:
            if number >= len(members):
                yield number % len(members)

    def _at(self, places: Iterable[int]) -> Iterator[Sector]:
        sectors = self._chip.sectors
        return (sectors[at] for at in places if 0 <= at < len(sectors))

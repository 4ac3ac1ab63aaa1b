"""What to erase, write and skip: a value, made before anything is touched.

Two things are decided here and nowhere else. A sector whose covered bytes are all as wanted is
left alone. Any other one is erased, however it reads: what looks blank may have been left half
erased by a cut, and what looks half right cannot be programmed again on parts with ECC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mcu_updater.stm32.chip import FRAME_SIZE, Chip, Sector
from mcu_updater.stm32.firmware import ERASED, Firmware, Segment

SPLIT_SIZE = 64
"""A run of blank units inside a block of at least so many bytes is worth another frame: it would
be programmed with FF otherwise, which takes time, and on ECC parts spends the units."""


class EraseKind(StrEnum):
    NOTHING = "nothing"
    SECTORS = "sectors"
    BANK = "bank"
    CHIP = "chip"


@dataclass(frozen=True, slots=True)
class Erase:
    """*bank* counts from 0 and matters to BANK alone. *sectors* are what is blank afterwards;
    those numbered *spare* are so before, and only erased because one erase of all is quicker.
    *rest*: those that are erased one by one beside the bank."""

    kind: EraseKind
    sectors: tuple[Sector, ...]
    bank: int = 0
    spare: frozenset[int] = frozenset()
    rest: tuple[Sector, ...] = ()

    @property
    def needed(self) -> tuple[Sector, ...]:
        return tuple(sector for sector in self.sectors if sector.number not in self.spare)


@dataclass(frozen=True, slots=True)
class FlashPlan:
    """Everything that a run changes, in order. *kept* sectors hold what they should already."""

    chip: Chip
    firmware: Firmware  # padded to program units
    erase: Erase
    writes: tuple[Segment, ...]
    kept: tuple[Sector, ...]

    @property
    def touched(self) -> tuple[Sector, ...]:
        """Sectors that are written anew and have to be verified."""
        held = {sector.number for sector in self.kept}
        return tuple(s for s in covered_sectors(self.chip, self.firmware) if s.number not in held)

    @property
    def write_size(self) -> int:
        return sum(len(block.data) for block in self.writes)

    @property
    def kept_size(self) -> int:
        return sum(
            len(part.data) for s in self.kept for part in self.firmware.within(s.start, s.stop)
        )

    @property
    def blank_size(self) -> int:
        """Bytes of touched sectors that need no write: erasing them is enough."""
        return self.firmware.size - self.kept_size - self.write_size


def covered_sectors(chip: Chip, firmware: Firmware) -> tuple[Sector, ...]:
    """The sectors that hold a byte of *firmware*, in address order."""
    numbers = {
        sector.number
        for segment in firmware.segments
        for sector in chip.sectors_of(segment.address, segment.stop)
    }
    return tuple(sector for sector in chip.sectors if sector.number in numbers)


def make_plan(
    chip: Chip,
    firmware: Firmware,
    same: Collection[int] = (),
    *,
    erase_chip: bool = False,
    blank: Collection[int] = (),
) -> FlashPlan:
    """The plan for *firmware* where the sectors numbered *same* hold it already.

    *erase_chip* gives up what else is on the chip: one mass erase, and everything is written.
    *blank*: sectors outside of the image that were seen to hold nothing.
    """
    padded = firmware.padded(chip.alignment)
    covered = covered_sectors(chip, padded)
    kept = () if erase_chip else tuple(s for s in covered if s.number in same)
    stale = tuple(s for s in covered if s not in kept)
    erase = Erase(EraseKind.CHIP, chip.sectors) if erase_chip else choose_erase(chip, stale, blank)
    blocks = [block for sector in stale for block in blocks_of(padded, sector, chip.alignment)]
    return FlashPlan(chip, padded, erase, _vectors_last(blocks, chip.base), kept)


def choose_erase(chip: Chip, sectors: tuple[Sector, ...], blank: Collection[int] = ()) -> Erase:
    """The quickest way to erase *sectors*: no other byte may be lost, but for the *blank* ones."""
    if not sectors:
        return Erase(EraseKind.NOTHING, ())
    numbers = {sector.number for sector in sectors}
    for erase in bulk_erases(chip, numbers):
        if erase.spare <= set(blank):
            return erase
    for bank, members in _erasable_banks(chip):
        if numbers.issuperset(members):
            rest = tuple(sector for sector in sectors if sector.number not in members)
            return Erase(EraseKind.BANK, sectors, bank, rest=rest)
    return Erase(EraseKind.SECTORS, sectors)


def bulk_erases(chip: Chip, numbers: Collection[int]) -> Iterator[Erase]:
    """The erases at one stroke that cover the sectors *numbers*, the smallest first."""
    if not chip.is_whole:
        return
    wanted = frozenset(numbers)
    for bank, members in _erasable_banks(chip):
        if len(chip.banks) > 1 and wanted <= set(members):
            sectors = tuple(s for s in chip.sectors if s.number in members)
            yield Erase(EraseKind.BANK, sectors, bank, frozenset(members) - wanted)
    everything = frozenset(sector.number for sector in chip.sectors)
    yield Erase(EraseKind.CHIP, chip.sectors, spare=everything - wanted)


def _erasable_banks(chip: Chip) -> Iterator[tuple[int, range]]:
    """Those whose erase at one stroke hits them for sure, and nothing else."""
    if chip.is_whole and chip.bank_erase_is_sure:
        yield from enumerate(chip.banks)


def blocks_of(firmware: Firmware, sector: Sector, unit: int) -> Iterator[Segment]:
    """The writes that put *firmware* into the erased *sector*.

    At most FRAME_SIZE bytes each, none across a multiple of FRAME_SIZE, all in whole units.
    """
    for part in firmware.within(sector.start, sector.stop):
        start = part.address
        while start < part.stop:
            stop = min(part.stop, start - start % FRAME_SIZE + FRAME_SIZE)
            data = part.data[start - part.address : stop - part.address]
            yield from _without_blanks(start, data, unit)
            start = stop


def _without_blanks(address: int, data: bytes, unit: int) -> Iterator[Segment]:
    """Cut *data* at blank units: at both ends, and in the middle where it pays."""
    begin: int | None = None  # of the run that is being collected
    end = 0  # behind its last unit that is not blank
    for at in range(0, len(data), unit):
        if data[at : at + unit] == ERASED * unit:
            continue
        if begin is not None and at - end >= max(SPLIT_SIZE, unit):
            yield Segment(address + begin, data[begin:end])
            begin = None
        begin = at if begin is None else begin
        end = at + unit
    if begin is not None:
        yield Segment(address + begin, data[begin:end])


def _vectors_last(blocks: list[Segment], base: int) -> tuple[Segment, ...]:
    """The vector table at the chip's base comes last.

    A chip that lost power before has no stack pointer and no reset vector: it does not start half
    an image, and parts that look whether their flash is empty stay in the ROM.
    """
    if blocks and blocks[0].address == base:
        blocks = [*blocks[1:], blocks[0]]
    return tuple(blocks)

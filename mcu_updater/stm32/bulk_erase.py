"""Whether one erase of the bank or the chip would lose nothing that lies beside an image.

An L476 erases a bank in the time of one sector, so 128 sectors one by one cost 2.8 s more. What is
beside the image has to be seen blank for that: by CRC, or by reading where little is left. Power
that goes during such an erase may leave those sectors half erased, too; they are remembered as
doubtful.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from flash_emulator.an3155 import Command
from mcu_updater.stm32.chip import FRAME_SIZE, Chip, Sector
from mcu_updater.stm32.compare import Comparer
from mcu_updater.stm32.estimate import READ_OVERHEAD, erase_s
from mcu_updater.stm32.firmware import ERASED, blank_firmware, runs_of
from mcu_updater.stm32.plan import bulk_erases, choose_erase
from mcu_updater.stm32.retry import RetryingRom

_CRC_S: Final = 0.3  # what asking for one may take: ROMs differ


def candidates(
    chip: Chip,
    stale: Sequence[Sector],
    doubtful: Collection[int],
    look_s: Callable[[Sequence[Sector]], float],
) -> Iterator[tuple[Sector, ...]]:
    """Sectors beside *stale* that must be blank for an erase at one stroke that pays, the fewest
    first. *look_s*: seconds that it takes to see whether they are.

    A ROM may die of a unit with a double ECC error: nothing *doubtful* is asked for.
    """
    each_s = erase_s(chip, choose_erase(chip, tuple(stale)))
    for erase in bulk_erases(chip, {sector.number for sector in stale}):
        at_once_s = erase_s(chip, erase)
        if each_s is None or at_once_s is None or erase.spare & set(doubtful):
            continue
        beside = tuple(s for s in chip.sectors if s.number in erase.spare)
        if each_s - at_once_s > look_s(beside):
            yield beside


class BulkErase:
    """*has_checksum*: the ROM's CRC works."""

    def __init__(self, rom: RetryingRom, chip: Chip, *, has_checksum: bool) -> None:
        self._rom, self._chip = rom, chip
        self._has_checksum = has_checksum

    def candidate(self, stale: Sequence[Sector], doubtful: Collection[int]) -> tuple[Sector, ...]:
        """Sectors that must be blank for an erase at one stroke that pays; none: there is none."""
        return next(candidates(self._chip, stale, doubtful, self._cost_s), ())

    def are_blank(self, sectors: Sequence[Sector]) -> bool:
        """Raises LinkError where the ROM dies of looking."""
        if self._has_checksum:
            comparer = Comparer(self._rom, blank_firmware(sectors))
            return comparer.crc_fits_all(sectors)
        return all(self._reads_blank(run) for run in runs_of(sectors))

    def _reads_blank(self, run: range) -> bool:
        size = self._rom.read_size
        frames = (run[at : at + size] for at in range(0, len(run), size))
        return all(self._rom.read(f.start, len(f)) == ERASED * len(f) for f in frames)

    def _cost_s(self, sectors: Sequence[Sector]) -> float:
        if self._has_checksum:
            return _CRC_S
        rom, size = self._rom.rom, sum(sector.size for sector in sectors)
        frames = -(-size // rom.read_size)
        fills_packets = rom.read_size < FRAME_SIZE  # then its last answer waits for no timer
        turnarounds = frames * ((1 if Command.READ in rom.merged else 3) - fills_packets)
        return rom.wire_s(size + frames * READ_OVERHEAD) + turnarounds * rom.turnaround_s

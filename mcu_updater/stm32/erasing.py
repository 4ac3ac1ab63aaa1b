"""Carry out the erase of a plan: at one stroke where it may be, one sector first where not.

What is erased is doubtful from before the first command until all of it was acknowledged; the guard
looks whether anything else was hit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from flash_emulator.an3155 import Command
from mcu_updater.core.errors import (
    ChipRefused,
    LinkError,
    Remedy,
    VerificationFailed,
    address_text,
)
from mcu_updater.stm32.chip import Chip, Sector
from mcu_updater.stm32.compare import without
from mcu_updater.stm32.connection import Connection
from mcu_updater.stm32.events import FlasherEvent, Problem, Progress, Stage
from mcu_updater.stm32.guard import Guard
from mcu_updater.stm32.plan import EraseKind, FlashPlan
from mcu_updater.stm32.sector_cache import SectorCache

_SECTORS_AT_A_TIME = 128  # of one erase: then there is something to show


class Eraser:
    """*remember* stores *cache*. *guards*: the chip has a name by which it is remembered; without
    one a ROM that dies of a sample would meet it again in every run, so none is taken."""

    def __init__(
        self,
        connection: Connection,
        chip: Chip,
        cache: SectorCache,
        remember: Callable[[], None],
        *,
        guards: bool,
    ) -> None:
        self.connection, self.chip = connection, chip
        self._rom, self._cache, self._remember = connection.rom, cache, remember
        self._guards = guards

    def erase(self, plan: FlashPlan) -> Iterator[FlasherEvent]:
        """The sectors of *plan*, blank afterwards; those that were blank before may be hit too."""
        sectors = plan.erase.sectors
        if not sectors:
            return
        guard = self.guard(sectors)
        self._cache.begin(sectors)
        self._remember()
        total = sum(sector.size for sector in plan.erase.needed)
        yield Progress(Stage.ERASE, 0, total)
        at_once = yield from self._erased_at_once(plan)
        left = plan.erase.rest if at_once else plan.erase.needed
        done = total - sum(sector.size for sector in left)
        if left and not at_once:
            self._erase_first(left[0], guard)
        for some in _erase_steps(left, first_is_done=not at_once):
            self._rom.erase_sectors(self.connection.info, [s.number for s in some])
            done += sum(sector.size for sector in some)
            yield Progress(Stage.ERASE, done, total)
        guard.compare()
        covered = {s.number for s in plan.touched}
        self._cache.blank(without(plan.erase.sectors, covered))
        yield Progress(Stage.ERASE, total, total)

    def guard(self, sectors: Sequence[Sector]) -> Guard:
        """It has looked at what must be kept. A ROM that dies of that does not meet it again."""
        guard = Guard(self._rom, self.chip)
        if not self._guards:
            return guard
        try:
            guard.look(sectors, self._cache.doubtful)
        except LinkError:
            if guard.position is not None:
                self._cache.begin([guard.position])
                self._remember()
            raise
        return guard

    def _erase_first(self, sector: Sector, guard: Guard) -> None:
        """One sector alone, twice if need be: where another is hit, no more are lost."""
        for _ in range(2):
            self._rom.erase_sectors(self.connection.info, [sector.number])
            guard.compare_after_first()
            if not guard.first_is_unchanged():
                return
        raise VerificationFailed(
            "the erase of a sector is acknowledged and changes nothing",
            where=f"{address_text(sector.start)}, sector {sector.number} of {self.chip.name}",
            then="It may be write-protected, or the chip numbers its sectors otherwise. Nothing "
            "was written",
            remedies=[Remedy.LIFT_WRITE, Remedy.NAME_PART],
        )

    def _erased_at_once(self, plan: FlashPlan) -> Generator[FlasherEvent, None, bool]:
        """Whether a mass or bank erase did it. Some ROMs have none, or one that fails (G031)."""
        kind = plan.erase.kind
        if kind is EraseKind.SECTORS:
            return False
        if kind is EraseKind.BANK and not self.connection.info.has(Command.EXTENDED_ERASE):
            return False
        try:
            if kind is EraseKind.BANK:
                self._rom.erase_bank(plan.erase.bank)
            else:
                self._rom.erase_chip(self.connection.info)
        except ChipRefused:
            yield Problem(f"the ROM refuses to erase the {kind} at once: sector by sector")
            return False
        return True


def _erase_steps(sectors: Sequence[Sector], *, first_is_done: bool) -> Iterator[Sequence[Sector]]:
    for at in range(int(first_is_done), len(sectors), _SECTORS_AT_A_TIME):
        yield sectors[at : at + _SECTORS_AT_A_TIME]

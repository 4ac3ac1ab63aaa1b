"""True: what the journal says, in every state.

An updater with a single fault is often rescued by its next line of defence: an image that was taken
for good unread is refused by the bootloader, and all ends well. Here it is found at the line that
failed.

* What the journal calls written stands in flash; and if it calls an image verified or confirmed,
  that was published, and stands there whole.
* An image with which nothing is wrong is never called FAILED.
"""

from __future__ import annotations

from collections.abc import Hashable

from flash_emulator.explore import Violation
from mcu_updater.core.bank import Bank
from mcu_updater.core.events import Booted, Event, JournalWritten, Progress, Resumed, Work
from mcu_updater.powerloss.questions.world import World
from mcu_updater.powerloss.scenario import Way

_EXCUSES = frozenset({Way.RESET, Way.REPLACED})
"""Resets cost a trial its attempts; and a package that is not the one of which the module told the
digests is rejected, however good it is."""

_COMPLETE = ("VERIFIED", "TRIAL", "CONFIRMED")


class Truth:
    def __init__(self, world: World) -> None:
        self._world = world
        self._bank = ""  # that runs
        self._is_blameless = world.scenario.is_healthy and not _EXCUSES & {*world.scenario.ways}

    def memory(self) -> Hashable:
        return ()

    def event(self, event: Event) -> None:
        match event:
            case Booted(bank=str(name)):
                self._bank = name
            case Progress(Work.PROGRAM, done):
                self._check_written(done, "a sector done")
            case Resumed():
                self._check_resumed(event.sectors_done)
            case JournalWritten(name, phase) if phase in _COMPLETE:
                self._check_complete(self._world.bank(name), phase)
            case JournalWritten(name, "FAILED") if self._is_blameless:
                self._check_failed(self._world.bank(name))

    def _check_resumed(self, sectors: int) -> None:
        slot = self._world.other(self._bank).slot
        self._check_written(sum(slot.sector_sizes[:sectors]), f"{sectors} sectors done")

    def _check_written(self, done: int, what: str) -> None:
        """The last sector of what is *done*; whoever resumes is asked for all of them in turn."""
        bank, scenario = self._world.other(self._bank), self._world.scenario
        if scenario.corrupt or not done:
            return
        editions = self._world.written(bank.journal.read().version)
        found = bank.slot.peek(0, min(done, max(map(len, editions), default=0)))
        if not any(found == image[:done] for image in editions):
            raise Violation("true", f"the journal calls {what}, and flash holds something else")

    def _check_complete(self, bank: Bank, phase: str) -> None:
        version = bank.journal.read().version
        editions = self._world.editions(version)
        if not editions:
            why = f"bank {bank.name} is {phase} with version {version}, which nobody published"
            raise Violation("true", why)
        if self._world.scenario.is_damaged:
            return
        if not any(bank.slot.peek(0, len(image)) == image for image in editions):
            raise Violation("true", f"bank {bank.name} is {phase}, and does not hold its image")

    def _check_failed(self, bank: Bank) -> None:
        if bank.journal.read().version == self._world.scenario.target:
            raise Violation("true", "a good image is called FAILED")

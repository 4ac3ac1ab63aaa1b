"""What is asked of every run of a board, at every event and at every line that the module is sent.

``running`` (safe): what the CPU runs was published, is whole, and is not older than it may be.
``statements`` (reported, lost): nothing that the module is told is false; no upgrade that the
    device could have carried on is lost, though a cloud that offers it again would hide that.
``truth`` (true): what the journal calls written, verified, confirmed or failed is so.
``trials`` (tries): a failed image is tried no more often than its attempts say.
``erase_budget`` (live, erased): erases are bounded; nothing is programmed that no complete erase
    made blank.

``Questions`` puts all of them to one boot.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from flash_emulator import EmulatedFlash
from mcu_updater.core.events import Event
from mcu_updater.core.writer import TRIES
from mcu_updater.powerloss.questions.erase_budget import EraseBudget, Slots, spans_of
from mcu_updater.powerloss.questions.running import OPTIONS_LOST, Running
from mcu_updater.powerloss.questions.statements import Statements
from mcu_updater.powerloss.questions.trials import Trials
from mcu_updater.powerloss.questions.truth import Truth
from mcu_updater.powerloss.questions.world import World
from mcu_updater.powerloss.scenario import Damage

__all__ = ["OPTIONS_LOST", "Asked", "Questions", "World"]


class Question(Protocol):
    """Asked at every event of one boot. All of them raise Violation."""

    def event(self, event: Event) -> None: ...

    def memory(self) -> Hashable:
        """What it remembers of this boot, and may ask by later."""


class Asked(Protocol):
    """What one boot is asked, and when. All but ``memory`` raise Violation."""

    def power_on(self) -> None:
        """A start of the MCU, before anything is read."""

    def event(self, event: Event) -> None: ...

    def sent(self, data: bytes) -> None:
        """*data* is about to be sent to the module."""

    def at_rest(self) -> str:
        """All is done. Returns a short word on how it ended."""

    def memory(self) -> Hashable:
        """What is remembered of this boot, and may be asked by later."""


class Questions(Asked):
    """All that is asked of one boot of *world*'s board."""

    def __init__(self, world: World, flash: EmulatedFlash, slots: Slots) -> None:
        tries = 1 if world.scenario.damage is Damage.NONE else TRIES
        self._running = Running(world)
        self._statements = Statements(world)
        self._all: tuple[Question, ...] = (
            EraseBudget(flash, slots, spans_of(world.board), tries=tries),
            self._running,
            self._statements,
            Truth(world),
            Trials(world),
        )

    def power_on(self) -> None:
        self._running.check_options()

    def event(self, event: Event) -> None:
        for question in self._all:
            question.event(event)

    def sent(self, data: bytes) -> None:
        self._statements.sent(data)

    def at_rest(self) -> str:
        version = self._running.at_rest()
        return self._statements.at_rest(version)

    def memory(self) -> Hashable:
        return tuple(question.memory() for question in self._all)

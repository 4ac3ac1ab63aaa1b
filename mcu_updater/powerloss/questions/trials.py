"""Tries: a failed image is tried no more often than its attempts say.

That cannot be counted over all paths, of which there are endless many: a start after power was lost
costs no attempt. So each start is held against what makes it true. No image runs that the journal
calls FAILED; a trial that costs an attempt has it in the journal before it runs; and what is in the
journal grows, up to the last attempt.
"""

from __future__ import annotations

from collections.abc import Hashable

from flash_emulator.explore import Violation
from mcu_updater.core.boot import ATTEMPTS, Mode, ResetCause
from mcu_updater.core.events import Booted, Event
from mcu_updater.core.journal import JournalState, Phase
from mcu_updater.powerloss.questions.world import World


class Trials:
    def __init__(self, world: World) -> None:
        self._world = world
        self._tried: tuple[int, int] | None = None  # generation, and its attempts so far

    def memory(self) -> Hashable:
        return self._tried

    def event(self, event: Event) -> None:
        if not isinstance(event, Booted) or event.bank is None:
            return
        reading = self._world.bank(event.bank).journal.read()
        if reading.phase is Phase.FAILED:
            raise Violation(
                "tries", f"version {event.version} runs, and the journal calls it FAILED"
            )
        if event.mode == Mode.TRIAL:
            self._check_trial(event, reading)
        else:
            self._tried = None

    def _check_trial(self, booted: Booted, reading: JournalState) -> None:
        tried, generation = reading.attempts, reading.generation
        before = self._tried[1] if self._tried and self._tried[0] == generation else 0
        if tried > ATTEMPTS:
            why = f"{tried} attempts are in the journal, of {ATTEMPTS}"
            raise Violation("tries", f"version {booted.version} is on trial, and {why}")
        if booted.cause != ResetCause.POWER and tried <= before:
            why = f"version {booted.version} is on trial after a reset ({booted.cause})"
            raise Violation("tries", f"{why}, and the journal has no further attempt: {tried}")
        self._tried = generation, tried

"""Safe: what the CPU runs. And live: what runs in the end."""

from __future__ import annotations

from collections.abc import Hashable

from flash_emulator.explore import Violation
from mcu_updater.core.boot import floor_of
from mcu_updater.core.events import Booted, Event
from mcu_updater.core.image_version import NO_FLOOR, Version
from mcu_updater.core.journal import Phase
from mcu_updater.powerloss.questions.world import World

OPTIONS_LOST = "option bytes lost"
"""How every violation begins that a cut in a change of option bytes explains."""


class Running:
    def __init__(self, world: World) -> None:
        self._world = world

    def event(self, event: Event) -> None:
        if isinstance(event, Booted):
            self._check_running(event)
            self._check_floor(event)

    def memory(self) -> Hashable:
        return ()

    def check_options(self) -> None:
        """Nobody has to come with a probe and erase the chip."""
        options = self._world.board.device.options
        if options.readout_level > self._world.readout_level or options.read_protected:
            flash = ", all flash unreadable" if options.read_protected else ""
            raise Violation(
                "safe",
                f"{OPTIONS_LOST}: read-out protection level {options.readout_level}{flash}; "
                "only a mass erase from outside takes that back",
            )

    def _check_running(self, booted: Booted) -> None:
        """What the CPU runs now was published, and is whole."""
        board, scenario = self._world.board, self._world.scenario
        image = scenario.images.get(booted.version)
        if image is None:
            raise Violation("safe", f"version {booted.version!r} runs, which nobody published")
        assert booted.bank is not None
        execution = board.execution_of(board.device)
        slot = execution.slot if execution else self._world.bank(booted.bank).slot
        if slot.sha256(len(image)) not in self._world.digests[booted.version]:
            raise Violation("safe", f"bank {booted.bank} runs, and is not version {booted.version}")

    def _check_floor(self, booted: Booted) -> None:
        """Nothing older runs than what was confirmed, unless that was damaged since; and nothing
        older will be taken."""
        scenario = self._world.scenario
        readings = [bank.journal.read() for bank in self._world.board.banks()]
        floor = floor_of(readings)
        for reading in readings:
            security_version = reading.snapshot.security_version if reading.snapshot else None
            if reading.phase is Phase.CONFIRMED and floor.raised(security_version) != floor:
                raise Violation(
                    "safe", f"{reading.version} is confirmed, and the rollback floor is {floor}"
                )
        version = Version.parse(booted.version)
        if floor == NO_FLOOR or scenario.falls_back_to == booted.version:
            self._check_least(floor.version)
        elif version is None or version < floor.version:
            raise Violation(
                "safe", f"version {booted.version} runs, and {floor.version} was confirmed before"
            )

    def _check_least(self, floor: Version) -> None:
        """The rollback floor outlives the image that raised it."""
        scenario = self._world.scenario
        if not scenario.keys or not scenario.before:
            return
        confirmed = Version.parse(scenario.before[-1])
        if confirmed is not None and floor < confirmed:
            raise Violation(
                "safe",
                f"the rollback floor is {floor}, and version {confirmed} was confirmed before",
            )

    def at_rest(self) -> str:
        """The version that runs."""
        decision = self._world.board.would_boot()
        assert decision.bank is not None
        version, final = decision.version, self._world.scenario.final
        if version != final:
            why = f"at rest version {version} runs; expected {final}"
            raise Violation("live", f"{why} ({'; '.join(decision.reasons)})")
        return version

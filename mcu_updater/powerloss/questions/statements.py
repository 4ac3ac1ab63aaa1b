"""Told: nothing that the module is told is false, at any moment of a run. Lost: no upgrade is given
up that could have gone on.

What a line to the module claims is held against both journals before it is sent:

    AT+QIOTMCUVER=       this version runs, and is confirmed
    AT+QIOTUPDATE=1      the plan is journaled: no version will be reported before it has ended
    AT+QIOTUPDATE=2      this piece was read, and what it left is in the journal
    AT+QIOTUPDATE=3      the whole package was read, and the image is verified
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Final

from flash_emulator.explore import Violation
from mcu_updater.cloud.single_device import ComponentState, Plan
from mcu_updater.core.events import Booted, Event
from mcu_updater.core.journal import IN_PROGRESS, JournalState, Phase
from mcu_updater.powerloss.questions.world import World
from mcu_updater.powerloss.scenario import COMPONENT, Way
from mcu_updater.quectel.emulated.ota_states import OtaState

_VERSION: Final = re.compile(rb'AT\+QIOTMCUVER="([^"]*)","([^"]*)"', re.IGNORECASE)
_ACTION: Final = re.compile(rb"AT\+QIOTUPDATE=([0-3])", re.IGNORECASE)

_NOTHING_SAID: Final = frozenset({OtaState.NOPLAN, OtaState.REVICEPLAN, OtaState.SUBMITOTA})
"""States of the module in which 10701 has not been said yet."""


class Statements:
    def __init__(self, world: World) -> None:
        self._world = world
        self._bank = ""  # that runs
        self._version = ""
        self._failures = self._failed_upgrades()
        self._missed = world.board.module.ota_state not in _NOTHING_SAID
        self._claims: dict[int, Callable[[], None]] = {
            1: self._plan_is_journaled,
            2: self._piece_is_stored,
            3: self._image_is_verified,
        }

    def memory(self) -> Hashable:
        return self._missed  # what runs follows from the journals

    def event(self, event: Event) -> None:
        if isinstance(event, Booted) and event.bank is not None:
            self._bank, self._version = event.bank, event.version
        self._check_failures()
        self._check_successes()

    # --- what is sent

    def sent(self, data: bytes) -> None:
        for component, version in _VERSION.findall(data):
            if component.decode() == COMPONENT:
                self._check_version(version.decode())
        for action in _ACTION.findall(data):
            self._claims.get(int(action), lambda: None)()

    def _check_version(self, version: str) -> None:
        if version != self._version:
            why = f"version {version} is reported, and {self._version} runs"
            raise Violation("reported", why)
        phase = self._world.bank(self._bank).journal.read().phase
        if phase is not Phase.CONFIRMED:
            why = f"version {version} is reported, and the journal calls it {phase.name}"
            raise Violation("reported", why)

    def _plan_is_journaled(self) -> None:
        plan, reading = self._world.board.module.plan, self._inactive()
        if plan is None or (reading.phase in IN_PROGRESS and _is_of(reading, plan)):
            return
        why = f"the plan to version {plan.target_version} is confirmed, and the journal says "
        raise Violation("reported", f"{why}{reading.phase.name} {reading.version}".rstrip())

    def _piece_is_stored(self) -> None:
        module, reading = self._world.board.module, self._inactive()
        if module.ota_state is not OtaState.DOWNLOADSUCCESS or reading.phase is Phase.VERIFIED:
            return
        start = reading.snapshot.piece_start if reading.snapshot else 0
        if start != module.piece.stop:
            raise Violation(
                "reported",
                f"the next piece is asked for, behind byte {module.piece.stop} of the package, "
                f"and the journal has what came before byte {start}",
            )

    def _image_is_verified(self) -> None:
        phase = self._inactive().phase
        if phase is not Phase.VERIFIED:
            why = f"the update is announced, and the journal calls the image {phase.name}"
            raise Violation("reported", why)

    def _inactive(self) -> JournalState:
        return self._world.other(self._bank).journal.read()

    # --- what comes of it

    def _check_failures(self) -> None:
        """Of a good image, on a healthy device, with a module that keeps power and patience."""
        failures, before = self._failed_upgrades(), self._failures
        self._failures = failures
        scenario = self._world.scenario
        if failures == before or not (scenario.is_healthy and scenario.is_patient):
            return
        phase = self._inactive().phase if self._bank else Phase.EMPTY
        if phase is Phase.PLANNED and self._missed:
            return  # 10701 told what the package is, before this start, and is not said again
        if phase is Phase.FAILED and Way.RESET in scenario.ways:
            return  # resets have cost the trial its attempts
        why = "the cloud counts a failed upgrade of a good image on a healthy device"
        raise Violation("lost", f"{why}; the journal says {phase.name}")

    def _failed_upgrades(self) -> int:
        center, target = self._world.board.center, self._world.scenario.target
        plans = [plan for plan in center.plans if plan.target_version == target]
        return sum(center.failures_of(plan) for plan in plans)

    def _check_successes(self) -> None:
        """Whoever succeeded runs, or ran and was followed by another."""
        center, scenario = self._world.board.center, self._world.scenario
        for plan in center.plans:
            if center.state_of(plan) is not ComponentState.SUCCESS:
                continue
            if plan.target_version != scenario.final:
                why = f"the cloud counts version {plan.target_version} as a success"
                raise Violation("reported", f"{why}; it must not come to run")

    def at_rest(self, version: str) -> str:
        """Module and cloud have the version that runs. Returns a short word."""
        board, target = self._world.board, self._world.scenario.target
        told = board.module.versions.get(COMPONENT)
        if told != version:
            raise Violation("reported", f"version {version} runs, the module was told {told}")
        state = board.center.state_of(_plan_of(board.center.plans, target))
        if version == target and state not in self._good_ends():
            raise Violation("reported", f"version {version} runs, the cloud says {state.value!r}")
        return f"runs {version}, {state.value}"

    def _good_ends(self) -> set[ComponentState]:
        """What the cloud may call a good upgrade: one that took too long has failed, to the module;
        all the same it was told which version runs."""
        late = Way.LATE in self._world.scenario.ways
        return {ComponentState.SUCCESS, *((ComponentState.FAILED,) if late else ())}


def _is_of(reading: JournalState, plan: Plan) -> bool:
    return reading.version == plan.target_version


def _plan_of(plans: tuple[Plan, ...], version: str) -> Plan:
    """The last: that of the full package, where it stands behind a delta."""
    return next(plan for plan in reversed(plans) if plan.target_version == version)

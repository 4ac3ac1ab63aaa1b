"""Our own updater as the subject of an exploration: a board, booted from what survived.

What is asked of each state:

* **safe**: every start runs an image that is, byte for byte, one that was published;
* **live**: left alone, the device comes to rest with the version that must run in the end;
* **reported**: nothing that the module is told is false; at rest it has the version that runs, and
  the cloud knows how it ended;
* **lost**: no good upgrade fails on the way, though the cloud would offer it again;
* **true**: what the journal says of an image is so;
* **tries**: a failed image is tried no more often than its attempts say;
* **erased**: nothing is programmed that no complete erase has made blank.

``questions`` asks them, at every event of every run.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from typing import Any

from flash_emulator import EmulatedFlash, VirtualClock, load_part
from flash_emulator.explore import Boot, ExternalState, Run, Subject, Violation
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core.boot import ResetCause
from mcu_updater.core.errors import UpdaterError
from mcu_updater.core.events import (
    Decided,
    Event,
    Problem,
    Progress,
    Work,
)
from mcu_updater.core.mcu import until_rest
from mcu_updater.core.session import Result, SessionOutcome
from mcu_updater.powerloss.equivalence import canonical, kind, representative, trailers_of
from mcu_updater.powerloss.questions import Asked, Questions, World
from mcu_updater.powerloss.questions.erase_budget import slots_of
from mcu_updater.powerloss.scenario import COMPONENT, Scenario, Way
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.report.lines import line_of

PATIENCE_S = 30.0  # half of what the module waits between two reads
LATE_S = 100_000.0
AGAIN_S = 3600.0  # between two sessions: when the application asks for a plan again


@dataclass(frozen=True, slots=True)
class ModuleAndCloud:
    """Module and cloud, as they are when power comes back. Times are relative to that moment."""

    module: dict[str, Any]
    center: dict[str, Any]
    digest: bytes
    fuse: int = (
        0  # the AT command of the coming boot at which the module alone loses power; 0: none
    )
    is_replaced: bool = False  # the package of the target, in the cloud
    is_reset: bool = False  # the MCU was reset, and never without power

    def by_reset(self) -> ModuleAndCloud:
        return replace(self, is_reset=True, digest=_digest((self.digest, "reset")))

    def with_fuse(self, fuse: int) -> ModuleAndCloud:
        return replace(self, fuse=fuse, digest=_digest((self.digest, fuse)))


def _external(
    module: EmulatedModule, center: SingleDeviceCloud, now_s: float, *, is_replaced: bool = False
) -> ModuleAndCloud:
    module.transmit()  # said to nobody
    memory = module.memory(now_s)
    saved = center.save(now_s)
    saved["history"] = []
    digest = _digest((memory, is_replaced))
    return ModuleAndCloud(module.save(now_s), saved, digest, is_replaced=is_replaced)


def _digest(memory: object) -> bytes:
    return blake2b(repr(memory).encode(), digest_size=16).digest()


class MillisecondClock(VirtualClock):
    """Time goes on in whole milliseconds, rounded up.

    States tell times to the millisecond. So they tell them exactly, and two runs that are taken
    for one do not drift apart by what was rounded away.
    """

    def advance_us(self, duration_us: int) -> None:
        super().advance_us(-(-duration_us // 1000) * 1000)


class BoardSubject(Subject):
    """Boots boards of one scenario."""

    promise = "representatives of journal trailers"

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.part = load_part(scenario.part)
        board = scenario.board()
        board.device.draws_by_place = True
        self.plans = board.center.plans
        self.trust, self.options = scenario.trust, scenario.options
        self.slots = slots_of(board)
        self.flash = board.device
        self.trailers = trailers_of(board.device, board.layout)
        self.readout_level = board.device.options.readout_level
        self.external = _external(board.module, board.center, board.clock.now_s())
        self.digests = _digests(scenario)
        self._survivors: dict[bytes, tuple[tuple[str, ExternalState], ...]] = {}

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot:
        assert isinstance(external, ModuleAndCloud)
        return BoardBoot(self, flash, external)

    def questions(self, world: World, flash: EmulatedFlash) -> Asked:
        """What one boot is asked."""
        return Questions(world, flash, self.slots)

    def fingerprints(self) -> dict[str, str]:
        """For a certificate: it is of this scenario, image for image."""
        return self.scenario.fingerprints

    def representative(self, flash: EmulatedFlash) -> EmulatedFlash:
        return representative(flash, self.trailers)

    def returned(self, flash: EmulatedFlash, external: ExternalState) -> EmulatedFlash:
        assert isinstance(external, ModuleAndCloud)
        if not external.is_reset:
            return flash
        twin = flash.fork()
        twin.keep_power()
        return twin

    def canonical(self, flash: EmulatedFlash) -> Hashable:
        return canonical(flash, self.trailers)

    def kind(self, one: EmulatedFlash, other: EmulatedFlash) -> Hashable:
        return kind(one, other, self.trailers)

    def board(self, flash: EmulatedFlash, external: ModuleAndCloud) -> Board:
        """A board with this flash, module and cloud; its clock begins at 0."""
        scenario = self.scenario
        board = Board(
            self.part,
            strategy=scenario.strategy,
            component=COMPONENT,
            clock=MillisecondClock(),
            device=flash,
            options=self.options,
        )
        board.trust = board.boot_trust = self.trust
        board.tells_cause = scenario.tells_cause
        board.center = self._center(external.center, is_replaced=external.is_replaced)
        board.module = EmulatedModule.load(external.module, board.center, self.options)
        return board

    def _center(self, saved: dict[str, Any], *, is_replaced: bool) -> SingleDeviceCloud:
        packages = [self._package(plan, is_replaced=is_replaced) for plan in self.plans]
        return SingleDeviceCloud.load(saved, *packages)

    def _package(self, plan: Plan, *, is_replaced: bool) -> Package:
        other = self.scenario.replacement
        if not is_replaced or other is None or plan.target_version != self.scenario.target:
            return plan.package
        return Package(other)

    # --- what survives

    def surviving(self, board: Board) -> tuple[tuple[str, ExternalState], ...]:
        """By each of the scenario's ways. Remembered: a module stays the same for many cuts."""
        now_s = board.clock.now_s()
        key = _digest((board.module.memory_alone(), self.is_replaced(board)))
        found = self._survivors.get(key)
        if found is None:
            ways = self.scenario.ways
            found = tuple((way.value, self._survivor(board, way, now_s)) for way in ways)
            self._survivors[key] = found
        return found

    def _survivor(self, board: Board, way: Way, now_s: float) -> ModuleAndCloud:
        is_replaced = self.is_replaced(board) or way is Way.REPLACED
        center = self._center(_just_offered(board.center.save(now_s)), is_replaced=is_replaced)
        saved = board.module.save(now_s)
        is_booting = "boot" in saved["timers"]  # that begins anew: as if power had gone just now
        saved["timers"] = _set_back(saved["timers"])
        module = EmulatedModule.load(saved, center, self.options)
        now_s = 0.0
        if way in (Way.MODULE, Way.REPLACED) or (is_booting and way is not Way.LATE):
            module.power_cut(now_s)
        elif way is Way.LATE:
            now_s = LATE_S
            module.advance(now_s)
        external = _external(module, center, now_s, is_replaced=is_replaced)
        return external.by_reset() if way is Way.RESET else external

    def is_replaced(self, board: Board) -> bool:
        """Whether the cloud of *board* has the other package."""
        other = self.scenario.replacement
        return any(plan.package.data == other for plan in board.center.plans)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_survivors": {}}


def _digests(scenario: Scenario) -> dict[str, frozenset[bytes]]:
    """SHA-256 of all that may stand in flash, by version."""
    images = [*scenario.images.items()]
    if scenario.replacement is not None:
        images.append((scenario.target, scenario.replacement))
    found: dict[str, frozenset[bytes]] = {}
    for version, image in images:
        found[version] = found.get(version, frozenset()) | {sha256(image).digest()}
    return found


def _just_offered(center: dict[str, Any]) -> dict[str, Any]:
    """The cloud's side of the same: no time has passed since its offers."""
    progress = [[state, failures, 0.0] for state, failures, _ in center["progress"]]
    return {**center, "progress": progress, "history": []}


def _set_back(timers: dict[str, float]) -> dict[str, float]:
    """Every timer again at its beginning, in the same order: see ``Way.SOON``."""
    order = sorted(timers, key=lambda name: timers[name])
    return {name: PATIENCE_S if name == "limit" else 1.0 + at for at, name in enumerate(order)}


def _is_rest(result: Result) -> bool:
    return result.outcome is SessionOutcome.NO_PLAN


class BoardBoot(Boot):
    """One start of the MCU, and on to rest."""

    def __init__(
        self, subject: BoardSubject, flash: EmulatedFlash, external: ModuleAndCloud
    ) -> None:
        self._subject = subject
        self._scenario = subject.scenario
        self._board = subject.board(flash, external)
        world = World(self._scenario, self._board, subject.digests, subject.readout_level)
        self._questions = subject.questions(world, flash)
        self._events: list[Event] = []
        self._fuse = external.fuse
        self._cause = ResetCause.WATCHDOG if external.is_reset else ResetCause.POWER
        self._at_start = self._has_started = False
        self._is_first = external == subject.external
        self._board.on_write = self._command

    def run(self) -> Run:
        board = self._board
        if self._scenario.alone and self._is_first:
            self._at_start = True
            self._moment()
            self._at_start = False
        board.module.power_on(board.clock.now_s())
        sessions = until_rest(self._session, _is_rest, unreachable=self._unreachable)
        try:
            for event in sessions:
                self._take(event)
                match event:
                    case Decided() | Progress(Work.PROGRAM):
                        yield board.memory()
        except UpdaterError as error:
            raise Violation("live", f"the session ended in an error: {error}") from error
        return self._questions.at_rest()

    def _take(self, event: Event) -> None:
        if not isinstance(event, Progress):
            self._events.append(event)
        self._questions.event(event)

    def _session(self) -> Generator[Event, None, Result]:
        """The first one begins with what started this boot, each other one with a reset."""
        board = self._board
        if self._has_started:
            board.clock.sleep(AGAIN_S)
            board.device.reset()
        cause = ResetCause.SOFTWARE if self._has_started else self._cause
        self._has_started = True
        self._questions.power_on()
        return board.start(cause, self._scenario.policy, trial=self._scenario.trial)

    def _unreachable(self, error: UpdaterError) -> None:
        """The application tries again later. Whether that goes on for ever, the search finds
        out."""
        self._events.append(Problem(error.message))

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        ways = self._subject.surviving(self._board)
        if not self._at_start:
            return ways
        start = self._subject.external
        fuses = range(1, self._scenario.alone + 1)
        return (*ways, *((f"alone{fuse}", start.with_fuse(fuse)) for fuse in fuses))

    def volatile(self) -> bytes:
        memory = self._board.module.memory(self._board.clock.now_s())
        loaded = sorted(self._board.device.options.loaded.items())  # a reset does not load them
        return _digest((memory, self._fuse, loaded, self._questions.memory()))

    def words(self) -> list[str]:
        """What was said since this was asked last: for a film."""
        told, self._events = self._events, []
        lines = [line_of(event) for event in told]
        return [f"{line.kind:<8}{line.text}" for line in lines if line is not None]

    def _command(self, data: bytes) -> None:
        """An AT command is about to be sent."""
        self._questions.sent(data)
        if self._scenario.link:
            self._moment()
        if self._fuse == 1:
            now_s = self._board.clock.now_s()
            self._board.module.power_cut(now_s)
            self._board.module.power_on(now_s)
        self._fuse = max(0, self._fuse - 1)

    def _moment(self) -> None:
        """Power may go here, between two flash operations."""
        watch = self._board.device.watch
        if watch is not None:
            watch.moment()

"""One device of a fleet: an emulated board, its faults, and whether what it reported is true.

The device is the board that every other command runs, in virtual time; only the cloud behind its
module is the shared center. It is left alone until it rests: no plan comes, and none will.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

from flash_emulator import CutAt, Part, PowerLoss, SteadySupply, load_part
from mcu_updater.board import Board
from mcu_updater.cloud.center.device_center import DeviceCenter
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import (
    ComponentType,
    Device,
    Kind,
    Strategy,
    VersionPackage,
)
from mcu_updater.cloud.center.rules import FOR_GOOD, Entry, Judged, Why
from mcu_updater.cloud.center.store import Ended, Ending, Store
from mcu_updater.cloud.single_device import ComponentState
from mcu_updater.core.bank import Bank
from mcu_updater.core.delta import DeltaRejected, apply_delta
from mcu_updater.core.errors import ImageRejected, UpdaterError
from mcu_updater.core.events import Event
from mcu_updater.core.image import sniff_size
from mcu_updater.core.mcu import NotAtRest, Session, until_rest
from mcu_updater.core.package import Wanted, open_any
from mcu_updater.core.session import Policy, Result, SessionOutcome
from mcu_updater.flash_map.layouts import factory_image
from mcu_updater.fleet.components import component_of, module_component_of
from mcu_updater.fleet.condition import MOST_REFUSALS, Condition
from mcu_updater.fleet.fault_plan import LONGEST_OUTAGE_S, Cut, FaultPlan, FleetSettings, draw
from mcu_updater.fleet.verdict import InconsistentReport, both, judge_firmware
from mcu_updater.quectel.emulated.options import ModuleOptions

MOST_SESSIONS = 60  # more is a device that never comes to rest
AGAIN_S = 3600.0  # between two sessions: when the application asks for a plan again
AFTER_ERROR_S = 60.0  # when it tries again to reach the module

WAITING = frozenset({Why.SAVED, Why.PAUSED, Why.USER, Why.NOT_BEGUN, Why.NO_VERSION})
"""Reasons for which no device waits here: somebody would have to do something first."""

Watch = Callable[[Event, int], None]
"""Takes an event and the board's time in microseconds."""


@dataclass
class FleetDevice:
    """*device* of the fleet that is run under *settings*.

    *watch* is told each event; *on_power*: power comes, to go as the cut says; *on_loss*: it went.
    """

    file: CenterFile
    store: Store
    device: Device
    settings: FleetSettings
    epoch_s: float
    watch: Watch = lambda _event, _time_us: None
    on_power: Callable[[Cut | None], None] = lambda _cut: None
    on_loss: Callable[[PowerLoss], None] = lambda _loss: None
    sessions: int = 0
    cuts: int = 0
    refusals: int = 0  # of plans, by the device
    error: str = ""
    _gave_up: bool = False
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    @cached_property
    def part(self) -> Part:
        return load_part(self.settings.part)

    @cached_property
    def component(self) -> str:
        return component_of(self.file.center, self.device)

    @cached_property
    def first_version(self) -> str:
        return self._version_of(self.component)

    @cached_property
    def packages(self) -> dict[str, bytes]:
        """What the center may send it in full, by version."""
        return {
            package.target: self.file.contents[package.name][0]
            for package in self._offered()
            if package.kind is Kind.FULL
        }

    @cached_property
    def firmware(self) -> tuple[str, str] | None:
        """The component that is the module's own firmware, and the version that it starts with."""
        name = module_component_of(self.file.center, self.device)
        return None if name is None else (name, self._version_of(name))

    def _version_of(self, component: str) -> str:
        return self.device.versions.get(component, self.settings.version)

    def _offered(self) -> Iterator[VersionPackage]:
        center = self.file.center
        for plan in center.plans:
            for upgrade in plan.upgrades if plan.product == self.device.product else ():
                package = center.package(upgrade.package)
                if upgrade.component != self.component or package is None:
                    continue
                if len(package.files) == 1:
                    yield package

    @cached_property
    def board(self) -> Board:
        seed = (
            int.from_bytes(hashlib.sha256(self.device.id.encode()).digest()[:4])
            ^ self.settings.seed
        )
        first = self.first_package
        return Board.new(self.part, self.first_version, first, component=self.component, seed=seed)

    @cached_property
    def first_package(self) -> bytes | None:
        """What it left the factory with: the center's only full package of that version.

        None where there is no such: the board makes up an image then.
        """
        found = [
            self.file.contents[package.name][0]
            for package in self.file.center.packages
            if package.type is ComponentType.MCU
            and package.kind is Kind.FULL
            and package.target == self.first_version
            and len(package.files) == 1
        ]
        return found[0] if len(found) == 1 else None

    @cached_property
    def fault_plan(self) -> FaultPlan:
        smallest = min(map(len, self._targets.values()), default=1)
        largest = max(map(len, self.packages.values()), default=1)
        operations = smallest // self.part.program_unit
        return draw(self.settings, self.device.id, operations, largest)

    @cached_property
    def cloud(self) -> DeviceCenter:
        start_s = self.epoch_s + self.fault_plan.start_s
        return DeviceCenter(self.file, self.store, self.device, start_s)

    def run(self) -> Ending:
        """Until it rests; then judge it, and note that in the state file."""
        self.board.checks_limits = True
        options = ModuleOptions()
        if self.firmware is not None:
            name, version = self.firmware
            options = replace(options, firmware_component=name, product_version=version)
        self.board.connect(self.cloud, self._options(options), self.fault_plan.faults)
        try:
            self._run()
            outcome, text = self._judge()
            if self.firmware is not None:
                outcome, text = both((outcome, text), judge_firmware(self, *self.firmware))
        except InconsistentReport as found:
            outcome, text = Ended.INCONSISTENT, str(found)
        self._digest.update(f"{outcome}: {text}".encode())
        ending = Ending(
            device=self.device.id,
            outcome=outcome,
            text=text,
            version=self.board.would_boot().version,
            cuts=self.cuts,
            faults=len(self.fault_plan.fault_kinds),
            sessions=self.sessions,
            digest=self._digest.hexdigest()[:16],
        )
        with self.store.transaction():
            self.store.put_ending(ending)
        return ending

    # --- running

    @property
    def condition(self) -> Condition:
        return self.fault_plan.conditions.after(self.refusals)

    def _options(self, options: ModuleOptions) -> ModuleOptions:
        """*options* of a module that measures what there is to measure."""
        condition = self.condition
        return replace(options, battery=condition.battery, rsrp_dbm=condition.rsrp_dbm)

    def _refused(self) -> bool:
        """Whether the device rests now: it has refused often enough, and nobody comes to help."""
        self.refusals += 1
        options = self._options(self.board.module.options)
        self.board.module = self.board.module.with_options(options, self.board.clock.now_s())
        return self.refusals >= MOST_REFUSALS and self.condition == self.fault_plan.conditions.first

    def _run(self) -> None:
        cuts = iter(self.fault_plan.cuts)
        sessions = until_rest(
            lambda: self._session(next(cuts, None)),
            self._is_rest,
            most=MOST_SESSIONS,
            unreachable=self._unreachable,
        )
        try:
            for event in sessions:
                self._digest.update(repr(event).encode())
                self.watch(event, self.board.clock.now_us)
        except NotAtRest as error:
            state = ", ".join(
                f"{plan} {state.value}" for plan, state in self.states_of(self.component).items()
            )
            raise InconsistentReport(
                f"not at rest after {error.found}; the center says {state}"
            ) from error
        except UpdaterError as error:
            raise InconsistentReport(f"the session ended in an error: {error.message}") from error

    def _session(self, cut: Cut | None) -> Session:
        """Until it ends, or power does."""
        self.sessions += 1
        own = frozenset() if self.firmware is None else frozenset({self.firmware[0]})
        policy = Policy(component=self.component, module_components=own)
        supply = SteadySupply() if cut is None else CutAt(cut.operation, cut.outcome)
        self.on_power(cut)
        try:
            return (yield from self.board.run(policy, supply=supply, trial=self.fault_plan.trial))
        except PowerLoss as loss:
            assert cut is not None
            self.on_loss(loss)
            self.cuts += 1
            if cut.module_too:
                self.board.cut_module()
            self.board.clock.sleep(cut.pause_s)
            return None

    def _unreachable(self, error: UpdaterError) -> None:
        self.error = error.message
        self.board.clock.sleep(AFTER_ERROR_S)

    def _is_rest(self, result: Result) -> bool:
        """Whether no plan comes after a session that ended so, and none will."""
        self.board.clock.sleep(AGAIN_S)
        if result.outcome is SessionOutcome.NO_PLAN:
            return self._gave_up or self._rests()
        if result.outcome is SessionOutcome.REFUSED:
            self._gave_up = self._refused()
            return self._gave_up
        if result.error is not None:
            self.error = result.error.message
        return False

    def _rests(self) -> bool:
        return all(one.why in FOR_GOOD | WAITING for one in self._look())

    def _look(self) -> list[Judged]:
        """What the center would answer now, given all the versions that the module reports."""
        module, versions = self.board.module, dict(self.board.module.versions)
        if self.firmware is not None:
            versions[self.firmware[0]] = module.own_version
        return self.cloud.look(versions, self.board.clock.now_s())

    # --- judging

    def _judge(self) -> tuple[Ended, str]:
        """The outcome and its reason. Raises InconsistentReport where something is not true."""
        bank = self._running_bank()
        version = bank.journal.read().version
        self._check_image(bank, version)
        told = self.board.module.versions.get(self.component)
        if told != version:
            raise InconsistentReport(f"version {version} runs, the module was told {told}")
        states = self.states_of(self.component)
        targets = {plan: self._target(plan) for plan in states}
        ended_well = {plan for plan, state in states.items() if state is ComponentState.SUCCESS}
        if ended_well and version not in self._targets:
            raise InconsistentReport(
                f"the center says success of {sorted(ended_well)}, {version} runs"
            )
        replaced = {targets[plan] for plan in ended_well}  # a delta failed, and the full one came
        failed = [
            plan
            for plan, state in states.items()
            if state is ComponentState.FAILED
            and not (self._is_delta(plan) and targets[plan] in replaced)
        ]
        if failed:
            if targets[failed[-1]] == version:
                return Ended.LATE, self._check_late(failed[-1])
            times = self.entry_of(failed[-1], self.component).failures
            return Ended.FAILED, f"failures {times}" + (
                f"; of late: {self.error}" * bool(self.error)
            )
        refused = [plan for plan, state in states.items() if state is ComponentState.REFUSED]
        if refused:
            return Ended.REFUSED, self.check_refused(refused[-1])
        if ended_well:
            self.check_admitted(ended_well)
            if version not in {targets[plan] for plan in ended_well}:
                raise InconsistentReport(f"the center says success, and yet version {version} runs")
            return Ended.UPGRADED, ""
        whys = dict.fromkeys(str(one.why) for one in self._look())
        return Ended.NOT_OFFERED, "; ".join(whys) or "there is no plan"

    def check_refused(self, plan: str) -> str:
        lack = self.condition.lacks(self._strategy(plan))
        if lack is None:
            raise InconsistentReport(f"it refused {plan}, and nothing is amiss: {self.condition}")
        return lack

    def check_admitted(self, plans: set[str]) -> None:
        """What the device is like now it was like when it took the plan."""
        for plan in plans:
            lack = self.condition.lacks(self._strategy(plan))
            if lack is not None:
                raise InconsistentReport(f"it took {plan} nevertheless: {lack}")

    def _strategy(self, plan_name: str) -> Strategy:
        plan = self.file.center.plan(plan_name)
        assert plan is not None
        return plan.strategy

    def _running_bank(self) -> Bank:
        decision = self.board.would_boot()
        if decision.bank is None:
            raise InconsistentReport("nothing can be booted")
        return self.board.banks()[decision.bank]

    def _check_image(self, bank: Bank, version: str) -> None:
        """What runs was published as that version, byte for byte."""
        image = self.images.get(version)
        if image is None:
            raise InconsistentReport(f"version {version} runs, which nobody published")
        execution = self.board.execution_of(self.board.device)
        slot = execution.slot if execution else bank.slot
        if slot.sha256(len(image)) != hashlib.sha256(image).digest():
            raise InconsistentReport(f"bank {bank.name} runs, and is not version {version}")

    @cached_property
    def _targets(self) -> dict[str, bytes]:
        """Images of the packages, by version, from a decoder of their own; whole ones only."""
        address = self.board.banks()[0].slot.link_address
        found = {v: image_of(data, address) for v, data in self.packages.items()}
        whole = {version: image for version, image in found.items() if image is not None}
        known = {self.first_version: self._first_image, **whole}
        for package in self._offered():
            base = known.get(package.source) if package.source else None
            if base is not None and package.target not in whole:
                with suppress(DeltaRejected):
                    whole[package.target] = apply_delta(self.file.contents[package.name][0], base)
        return whole

    @cached_property
    def _first_image(self) -> bytes:
        address = self.board.banks()[0].slot.link_address
        made_up = factory_image(address, self.first_version)
        return image_of(self.first_package, address) or made_up if self.first_package else made_up

    @cached_property
    def images(self) -> dict[str, bytes]:
        """What was published, by version, as it must stand in flash."""
        return {self.first_version: self._first_image, **self._targets}

    def states_of(self, component: str) -> dict[str, ComponentState]:
        """By plan."""
        with self.store.snapshot():
            entries = self.store.entries(self.device.id)
        order = [plan.name for plan in self.file.center.plans]
        found = [(key[0], e.state) for key, e in entries.items() if key[1] == component]
        return dict(sorted(found, key=lambda one: order.index(one[0])))

    def reported_version(self, component: str) -> str | None:
        """What the center knows; None: the device has never asked."""
        with self.store.snapshot():
            return self.store.versions(self.device.id).get(component)

    def entry_of(self, plan: str, component: str) -> Entry:
        with self.store.snapshot():
            return self.store.entries(self.device.id)[plan, component]

    def _target(self, plan_name: str) -> str:
        return self.package_of(plan_name, self.component).target

    def _is_delta(self, plan_name: str) -> bool:
        return self.package_of(plan_name, self.component).kind is Kind.DELTA

    def package_of(self, plan_name: str, component: str) -> VersionPackage:
        center = self.file.center
        plan = center.plan(plan_name)
        assert plan is not None
        upgrade = next(u for u in plan.upgrades if u.component == component)
        package = center.package(upgrade.package)
        assert package is not None
        return package

    def _check_late(self, plan: str) -> str:
        """The center says that *plan* failed, and its target runs: the limit must have passed.

        A status that waits for the link is written down later than it was true.
        """
        with self.store.snapshot():
            lines = [line for line in self.store.log(self.device.id) if line.plan == plan]
        failed = max(
            at for at, line in enumerate(lines) if line.text == ComponentState.FAILED.value
        )
        before = lines[failed - 1]
        waited_s = lines[failed].at_s - before.at_s
        limit_s = self.board.module.options.update_limit_s
        assert limit_s is not None, "a fleet's modules have the usual limits"
        shortest_s = limit_s - len(self.fault_plan.fault_kinds) * LONGEST_OUTAGE_S
        if waited_s < shortest_s or before.text == ComponentState.SUCCESS.value:
            when = f"{waited_s:.0f} s after {before.text}"
            raise InconsistentReport(f"it runs the target and was called failed, {when}")
        return f"the version was not reported within {limit_s:.0f} s"


def image_of(package: bytes, base: int) -> bytes | None:
    """The image in *package* as it stands in flash from *base* on; None where there is none."""
    image = bytearray()
    try:
        decoder = open_any(package[: sniff_size(package)], Wanted(), base=base)
        for extent in decoder.feed(package):
            end = extent.address - base + len(extent.data)
            image.extend(b"\xff" * (end - len(image)))
            image[end - len(extent.data) : end] = extent.data
        decoder.finish()
    except ImageRejected:
        return None
    return bytes(image)

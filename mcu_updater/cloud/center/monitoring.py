"""Upgrade monitoring: what became of plans, devices and components, as values.

The states are the platform's (view the upgrade status). In 2022 it had fewer, coarser stages for a
component, which published examples still name: ``STAGES`` maps to them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mcu_updater.cloud.center import rules
from mcu_updater.cloud.center.device_session import now_of, seen_states
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.model import Center, UpgradePlan
from mcu_updater.cloud.center.rules import Entry
from mcu_updater.cloud.center.store import Ending, LogLine, Store
from mcu_updater.cloud.single_device import RUNNING, ComponentState

C = ComponentState


class DeviceState(StrEnum):
    """What the platform shows of a device in a plan."""

    FAILED = "upgrade failed"  # of one or more components
    UPGRADED = "upgraded"  # all components, those that need no update aside
    UPGRADING = "upgrading"
    NOT_UPGRADED = "not upgraded"
    NOT_REQUIRED = "no update required"  # for any component


STAGES: dict[ComponentState, str] = {
    C.NOT_RECEIVED: "start",
    C.RECEIVED: "start",
    C.REFUSED: "start",
    C.CONFIRMED: "device confirm",
    C.WAITING_DOWNLOAD: "device confirm",
    C.DOWNLOADING: "downloading",
    C.DOWNLOAD_FAILED: "downloading",
    C.DOWNLOADED: "upgrading",
    C.UPGRADING: "upgrading",
    C.SUCCESS: "success",
    C.FAILED: "failed",
    C.NOT_REQUIRED: "success",
}
"""The stage of 2022 that each state belongs to."""


@dataclass(frozen=True, slots=True)
class ComponentView:
    """One upgrade on one device. *version*: what the device reported last."""

    component: str
    state: ComponentState
    version: str
    target: str
    failures: int
    changed_at_s: float | None
    last: str

    @property
    def stage(self) -> str:
        return STAGES[self.state]


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device in one plan."""

    device: str
    state: DeviceState
    components: tuple[ComponentView, ...]


@dataclass(frozen=True, slots=True)
class PlanView:
    """One plan and the devices it is for. *success_rate* leaves out who has not ended."""

    name: str
    product: str
    state: PlanState
    targets: tuple[str, ...]
    devices: tuple[DeviceView, ...]

    @property
    def counts(self) -> dict[DeviceState, int]:
        counted = Counter(device.state for device in self.devices)
        return {state: counted[state] for state in DeviceState}

    @property
    def component_counts(self) -> dict[ComponentState, int]:
        counted = Counter(c.state for device in self.devices for c in device.components)
        return {state: counted[state] for state in ComponentState if counted[state]}

    @property
    def success_rate(self) -> float | None:
        counts = self.counts
        good, bad = counts[DeviceState.UPGRADED], counts[DeviceState.FAILED]
        return good / (good + bad) if good + bad else None


@dataclass(frozen=True, slots=True)
class Monitoring:
    """All of it, of one moment."""

    at_s: float
    simulated: bool
    plans: tuple[PlanView, ...]
    endings: tuple[Ending, ...]


def monitor(center: Center, store: Store, now_s: float | None = None) -> Monitoring:
    """What there is to see now: at the latest moment that is known where time is simulated."""
    with store.snapshot():
        now_s = now_of(store) if now_s is None else now_s
        states = seen_states(center, store, now_s)
        last, versions = store.last_changes(), store.all_versions()
        found: dict[str, dict[str, list[ComponentView]]] = defaultdict(lambda: defaultdict(list))
        for device, (plan_name, component), entry in store.all_entries():
            plan = center.plan(plan_name)
            if plan is None:
                continue
            why = rules.why_close(center, plan, states[plan_name], entry, now_s)
            line = last.get((device, plan_name, component))
            view = _component(center, plan, component, entry, line, why)
            view = replace(view, version=versions.get((device, component), ""))
            found[plan_name][device].append(view)
        plans = [_plan(center, plan, states[plan.name], found[plan.name]) for plan in center.plans]
        return Monitoring(now_s, store.simulated, tuple(plans), tuple(store.endings()))


def _component(
    center: Center,
    plan: UpgradePlan,
    component: str,
    entry: Entry,
    line: LogLine | None,
    why_closed: str,
) -> ComponentView:
    return ComponentView(
        component=component,
        state=C.FAILED if why_closed else entry.state,
        version="",
        target=_target(center, plan, component),
        failures=entry.failures,
        changed_at_s=None if line is None else line.at_s,
        last=why_closed or ("" if line is None else line.text),
    )


def _target(center: Center, plan: UpgradePlan, component: str) -> str:
    upgrade = next((u for u in plan.upgrades if u.component == component), None)
    package = None if upgrade is None else center.package(upgrade.package)
    return "" if package is None else package.target


def _plan(
    center: Center,
    plan: UpgradePlan,
    state: PlanState,
    devices: dict[str, list[ComponentView]],
) -> PlanView:
    order = {upgrade.component: at for at, upgrade in enumerate(plan.upgrades)}
    views = []
    for device, components in devices.items():
        ordered = sorted(components, key=lambda view: order.get(view.component, len(order)))
        views.append(DeviceView(device, device_state([c.state for c in ordered]), tuple(ordered)))
    targets = tuple(f"{u.component} {_target(center, plan, u.component)}" for u in plan.upgrades)
    return PlanView(plan.name, plan.product, state, targets, tuple(views))


def device_state(states: Sequence[ComponentState]) -> DeviceState:
    """What a device is, by what its components are."""
    if C.FAILED in states:
        return DeviceState.FAILED
    if all(state is C.NOT_REQUIRED for state in states):
        return DeviceState.NOT_REQUIRED
    if all(state in (C.SUCCESS, C.NOT_REQUIRED) for state in states):
        return DeviceState.UPGRADED
    if any(state in RUNNING or state is C.SUCCESS for state in states):
        return DeviceState.UPGRADING
    return DeviceState.NOT_UPGRADED

"""Upgrade monitoring: what became of plans, devices and components, as values.

The states are the platform's (view the upgrade status). In 2022 it had fewer, coarser stages for a
component, which published examples still name: ``STAGES`` maps to them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mcu_updater.cloud.center import queries, rules
from mcu_updater.cloud.center.device_session import now_of, seen_states
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.model import Center, UpgradePlan
from mcu_updater.cloud.center.rules import Entry, Key
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

STAGE_ORDER = ("start", "device confirm", "downloading", "upgrading", "success", "failed")


@dataclass(frozen=True, slots=True)
class ComponentView:
    """One upgrade of *plan* on one device. *version*: what the device reported last."""

    component: str
    state: ComponentState
    version: str
    target: str
    failures: int
    changed_at_s: float | None
    last: str
    plan: str = ""

    @property
    def stage(self) -> str:
        return STAGES[self.state]


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device in one plan; where no plan was asked for, in all of them.

    *state* is then that in the plans that were activated; where it is in none of them, in all.
    """

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
        return success_rate(self.counts)


@dataclass(frozen=True, slots=True)
class Monitoring:
    """All of it, of one moment."""

    at_s: float
    simulated: bool
    plans: tuple[PlanView, ...]
    endings: tuple[Ending, ...]


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """One plan, counted. *counts* are of devices, *component_counts* of upgrades on devices."""

    name: str
    product: str
    state: PlanState
    targets: tuple[str, ...]
    counts: Mapping[DeviceState, int]
    component_counts: Mapping[ComponentState, int]

    @property
    def devices(self) -> int:
        return sum(self.counts.values())

    @property
    def success_rate(self) -> float | None:
        """Of the devices that have ended; None where none has."""
        return success_rate(self.counts)

    @property
    def stages(self) -> dict[str, int]:
        """Upgrades on devices by stage of 2022, in the order in which an upgrade passes them."""
        counted: Counter[str] = Counter()
        for state, count in self.component_counts.items():
            counted[STAGES[state]] += count
        return {stage: counted[stage] for stage in STAGE_ORDER}


@dataclass(frozen=True, slots=True)
class DevicesPage:
    """Some of the devices that match, by id. *start*: how many come before the first of them.

    *next*, *previous* and *last* are the ``after`` of other pages; None where there is no other
    (the first page has the ``after`` of the empty text).
    """

    views: tuple[DeviceView, ...]
    total: int
    start: int
    next: str | None
    previous: str | None
    last: str | None


def success_rate(counts: Mapping[DeviceState, int]) -> float | None:
    """Of who has ended, and needed an update; None where nobody has."""
    good, bad = counts[DeviceState.UPGRADED], counts[DeviceState.FAILED]
    return good / (good + bad) if good + bad else None


# --- all of it


def monitor(center: Center, store: Store, now_s: float | None = None) -> Monitoring:
    """What there is to see now: at the latest moment that is known where time is simulated."""
    with store.snapshot():
        now_s = now_of(store) if now_s is None else now_s
        seen = _Seen(center, seen_states(center, store, now_s), now_s)
        found = seen.views(store.all_entries(), store.last_changes(), store.all_versions())
        plans = [seen.plan(plan, found[plan.name]) for plan in center.plans]
        return Monitoring(now_s, store.simulated, tuple(plans), tuple(store.endings()))


Views = dict[str, list[ComponentView]]
"""Component views by device."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A center at one moment."""

    center: Center
    states: Mapping[str, PlanState]
    now_s: float

    def views(
        self,
        entries: Iterable[tuple[str, Key, Entry]],
        last: Mapping[tuple[str, str, str], LogLine],
        versions: Mapping[tuple[str, str], str],
    ) -> dict[str, Views]:
        """By plan and device. Entries of plans that the center does not have are left out."""
        found: dict[str, Views] = defaultdict(lambda: defaultdict(list))
        plans = {plan.name: plan for plan in self.center.plans}
        targets = {plan.name: _targets(self.center, plan) for plan in self.center.plans}
        for device, (plan_name, component), entry in entries:
            plan = plans.get(plan_name)
            if plan is None:
                continue
            why = rules.why_close(self.center, plan, self.states[plan_name], entry, self.now_s)
            line = last.get((device, plan_name, component))
            view = ComponentView(
                component=component,
                state=C.FAILED if why else entry.state,
                version=versions.get((device, component), ""),
                target=targets[plan_name].get(component, ""),
                failures=entry.failures,
                changed_at_s=None if line is None else line.at_s,
                last=why or ("" if line is None else line.text),
                plan=plan_name,
            )
            found[plan_name][device].append(view)
        return found

    def plan(self, plan: UpgradePlan, devices: Views) -> PlanView:
        views = tuple(_device(plan, device, found) for device, found in devices.items())
        targets = targets_of(self.center, plan)
        return PlanView(plan.name, plan.product, self.states[plan.name], targets, views)


def _targets(center: Center, plan: UpgradePlan) -> dict[str, str]:
    """The target version by component, in the plan's order."""
    packages = {upgrade.component: center.package(upgrade.package) for upgrade in plan.upgrades}
    return {one: "" if package is None else package.target for one, package in packages.items()}


def targets_of(center: Center, plan: UpgradePlan) -> tuple[str, ...]:
    """Each component with its target version, in the plan's order."""
    return tuple(f"{one} {target}" for one, target in _targets(center, plan).items())


def _device(plan: UpgradePlan, device: str, found: Sequence[ComponentView]) -> DeviceView:
    order = {upgrade.component: at for at, upgrade in enumerate(plan.upgrades)}
    ordered = sorted(found, key=lambda view: order.get(view.component, len(order)))
    return DeviceView(device, device_state([c.state for c in ordered]), tuple(ordered))


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


# --- counts and pages, for as many devices as the platform takes


def overview(
    center: Center, store: Store, now_s: float | None = None, *, plan: str | None = None
) -> tuple[PlanSummary, ...]:
    """What ``monitor`` says of each plan, in numbers; of *plan* alone where it is given."""
    with store.snapshot():
        now_s = now_of(store) if now_s is None else now_s
        states = seen_states(center, store, now_s)
        return tuple(
            _summary(center, store, one, states[one.name], now_s)
            for one in center.plans
            if plan in (None, one.name)
        )


def _summary(
    center: Center, store: Store, plan: UpgradePlan, state: PlanState, now_s: float
) -> PlanSummary:
    closing = queries.Closing.of(center, plan, state, now_s)
    devices: Counter[DeviceState] = Counter()
    for (most, any_success), count in queries.count_devices(store, closing).items():
        devices[_of_ranks(most, any_success)] += count
    components = queries.count_components(store, closing)
    return PlanSummary(
        plan.name,
        plan.product,
        state,
        targets_of(center, plan),
        {one: devices[one] for one in DeviceState},
        {one: components[one] for one in ComponentState if one in components},
    )


def _of_ranks(most: int, any_success: bool) -> DeviceState:
    """``device_state``, of what a query can say of many devices."""
    if most == queries.Rank.WAITING:
        return DeviceState.UPGRADING if any_success else DeviceState.NOT_UPGRADED
    return _BY_RANK[queries.Rank(most)]


_BY_RANK = {
    queries.Rank.NOT_REQUIRED: DeviceState.NOT_REQUIRED,
    queries.Rank.SUCCESS: DeviceState.UPGRADED,
    queries.Rank.RUNNING: DeviceState.UPGRADING,
    queries.Rank.FAILED: DeviceState.FAILED,
}


def devices_page(
    center: Center,
    store: Store,
    now_s: float | None = None,
    *,
    plan: str | None = None,
    state: DeviceState | None = None,
    stage: str | None = None,
    text: str = "",
    after: str | None = None,
    limit: int = 100,
) -> DevicesPage:
    """Devices of *plan* (None: all that are known), by id, from the first behind *after* on.

    *text* is looked for in device ids, whatever the case of its letters. *state* and *stage*: what
    ``monitor`` says of the device, and of one of its components. A *plan* that the center does
    not have has no devices.
    """
    with store.snapshot():
        now_s = now_of(store) if now_s is None else now_s
        states = seen_states(center, store, now_s)
        ids = _matching(center, store, states, now_s, plan, state, stage, text)
        start = 0 if after is None else bisect_right(ids, after)
        shown = ids[start : start + limit]
        seen = _Seen(center, states, now_s)
        end = start + len(shown)
        return DevicesPage(
            _views_of(seen, store, shown, plan),
            len(ids),
            start,
            ids[end - 1] if shown and end < len(ids) else None,
            None if start == 0 else ids[start - limit - 1] if start > limit else "",
            ids[(len(ids) - 1) // limit * limit - 1] if end < len(ids) else None,
        )


def device_view(
    center: Center, store: Store, device: str, now_s: float | None = None
) -> DeviceView | None:
    """One device in all plans; None where it is not known."""
    with store.snapshot():
        if store.product_of(device) is None:
            return None
        now_s = now_of(store) if now_s is None else now_s
        seen = _Seen(center, seen_states(center, store, now_s), now_s)
        return _views_of(seen, store, [device], None)[0]


def _matching(
    center: Center,
    store: Store,
    states: Mapping[str, PlanState],
    now_s: float,
    plan: str | None,
    state: DeviceState | None,
    stage: str | None,
    text: str,
) -> list[str]:
    """Ids of devices, in their order."""
    if state is None and stage is None:
        known = center.plan(plan) if plan is not None else None
        if known is not None:
            return queries.devices_of(store, known.name, text)
        return queries.known_devices(store, text) if plan is None else []
    at_stage = frozenset(s for s, of in STAGES.items() if stage in (None, of))
    found: dict[str, _Ranks] = {}
    if plan is None:
        ids = queries.known_devices(store, text)
        found = dict.fromkeys(ids, _Ranks(is_there=stage is None))
    for one in sorted(center.plans, key=lambda one: states[one.name] is PlanState.SAVED):
        if plan in (None, one.name):
            closing = queries.Closing.of(center, one, states[one.name], now_s)
            counts = states[one.name] is not PlanState.SAVED
            for device, *ranks in queries.ranks(store, closing, text, at_stage):
                found[device] = found.get(device, _Ranks()).joined(*ranks, is_active=counts)
    return sorted(
        device
        for device, ranks in found.items()
        if ranks.is_there and (state is None or _of_ranks(ranks.most, ranks.any_success) is state)
    )


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Of one device, over plans: those that were activated come first (see ``_state_over``)."""

    most: int = 0
    any_success: bool = False
    is_there: bool = False
    is_active: bool = False

    def joined(self, most: int, success: int, there: int, *, is_active: bool) -> _Ranks:
        is_there = self.is_there or bool(there)
        if self.is_active and not is_active:
            return replace(self, is_there=is_there)
        any_success = self.any_success or bool(success)
        return _Ranks(max(self.most, most), any_success, is_there, is_active)


def _views_of(
    seen: _Seen, store: Store, devices: Sequence[str], plan: str | None
) -> tuple[DeviceView, ...]:
    found = seen.views(
        queries.entries_of(store, devices, plan),
        queries.last_changes_of(store, devices),
        queries.versions_of(store, devices),
    )
    plans = [one for one in seen.center.plans if plan in (None, one.name)]
    views = []
    for device in devices:
        components = [
            view
            for one in plans
            if device in found[one.name]
            for view in _device(one, device, found[one.name][device]).components
        ]
        state = _state_over(seen.states, components)
        views.append(DeviceView(device, state, tuple(components)))
    return tuple(views)


def _state_over(
    states: Mapping[str, PlanState], components: Sequence[ComponentView]
) -> DeviceState:
    """A plan that is merely saved says nothing of a device that is in others."""
    active = [one.state for one in components if states[one.plan] is not PlanState.SAVED]
    return device_state(active or [one.state for one in components])

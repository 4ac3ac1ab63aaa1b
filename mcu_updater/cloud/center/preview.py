"""Who would be offered a plan, and why not the others: before it is activated, even before it is
written.

``rules`` decide, as for a device that asks. What they look at is the same for most devices of a
campaign, so they are asked once for all that are alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mcu_updater.cloud.center import queries, rules
from mcu_updater.cloud.center.device_session import fresh_states, seen_states
from mcu_updater.cloud.center.lifecycle import PlanState, seen_state
from mcu_updater.cloud.center.model import Center, UpgradePlan
from mcu_updater.cloud.center.rules import Entry, Judged, Key, Situation, Why
from mcu_updater.cloud.center.store import Store

MAX_NAMED = 50  # devices that are named for each answer


class Offer(StrEnum):
    """What is no reason against an upgrade."""

    OFFERED = "offered"
    LATER = "due after another plan"  # which comes first, and is offered alone


Answer = Offer | Why


@dataclass(frozen=True, slots=True)
class Preview:
    """*counts*: devices by answer. A device of which nothing is offered counts under the reason of
    the component that came furthest.

    *first*: some of the devices, by id. *at_s*: the moment that was looked at.
    """

    at_s: float
    counts: dict[Answer, int]
    first: dict[Answer, tuple[str, ...]]

    @property
    def devices(self) -> int:
        return sum(self.counts.values())


def preview(
    center: Center,
    store: Store | None,
    plan: UpgradePlan,
    now_s: float,
    *,
    pushed: bool = False,
) -> Preview:
    """What every device that is known would be answered of *plan*, as if it were active.

    *plan* takes the place of the center's plan of that name, or comes last. A plan that is still
    to begin is looked at as of its begin. *pushed*: no device asks. Without *store* nothing has
    happened yet.
    """
    at_s = max(now_s, plan.begin_s)
    with_plan = _with_plan(center, plan)
    states = _states(with_plan, store, plan, at_s)
    found: dict[Answer, list[str]] = defaultdict(list)
    for alike in _alike(with_plan, store, plan, at_s):
        found[_answer(with_plan, plan, alike, store, states, at_s, pushed)] += alike.devices
    order: list[Answer] = [one for one in (*Offer, *Why) if one in found]
    named = {one: tuple(sorted(found[one])[:MAX_NAMED]) for one in order}
    return Preview(at_s, {one: len(found[one]) for one in order}, named)


def _with_plan(center: Center, plan: UpgradePlan) -> Center:
    names = [one.name for one in center.plans]
    if plan.name not in names:
        return replace(center, plans=(*center.plans, plan))
    plans = [plan if one.name == plan.name else one for one in center.plans]
    return replace(center, plans=tuple(plans))


def _states(
    center: Center, store: Store | None, plan: UpgradePlan, at_s: float
) -> dict[str, PlanState]:
    known = fresh_states(center, at_s) if store is None else seen_states(center, store, at_s)
    if known[plan.name] is PlanState.SAVED:
        known[plan.name] = seen_state(plan, PlanState.ACTIVE, at_s, begun=False)
    return known


@dataclass(frozen=True, slots=True)
class _Alike:
    """Devices that rules cannot tell from one another."""

    product: str
    versions: dict[str, str]
    devices: list[str]


def _alike(center: Center, store: Store | None, plan: UpgradePlan, at_s: float) -> Iterator[_Alike]:
    plans = [one for one in center.plans if one.product == plan.product]
    components = {upgrade.component for one in plans for upgrade in one.upgrades}
    versions = _versions(center, store)
    facts = {} if store is None else _facts(store, plans, at_s)
    lists = [_Lists.of(one) for one in plans]
    found: dict[object, _Alike] = {}
    for device, product in _products(center, store).items():
        own = versions.get(device, {})
        known = {name: version for name, version in own.items() if name in components}
        covered = tuple(one.covers(device) for one in lists)
        key = product, tuple(sorted(known.items())), covered, tuple(facts.get(device, ()))
        if key not in found:
            found[key] = _Alike(product, known, [])
        found[key].devices.append(device)
    yield from found.values()


@dataclass(frozen=True, slots=True)
class _Lists:
    """The black and white list of a plan, to look in them often."""

    black: frozenset[str]
    white: frozenset[str]

    @classmethod
    def of(cls, plan: UpgradePlan) -> _Lists:
        return cls(frozenset(plan.blacklist), frozenset(plan.whitelist))

    def covers(self, device: str) -> tuple[bool, bool]:
        return device in self.black, not self.white or device in self.white


def _products(center: Center, store: Store | None) -> dict[str, str]:
    known = {} if store is None else store.devices()
    return {device.id: device.product for device in center.devices} | known


def _versions(center: Center, store: Store | None) -> dict[str, dict[str, str]]:
    """By device: as the file says, overruled by what it reported."""
    known = {device.id: dict(device.versions) for device in center.devices}
    for (device, component), version in ({} if store is None else store.all_versions()).items():
        known.setdefault(device, {})[component] = version
    return known


def _facts(store: Store, plans: Sequence[UpgradePlan], at_s: float) -> dict[str, list[object]]:
    found: dict[str, list[object]] = defaultdict(list)
    for plan in plans:
        for device, facts in queries.entry_facts(store, plan, at_s):
            found[device].append((plan.name, facts))
    return found


def _answer(
    center: Center,
    plan: UpgradePlan,
    alike: _Alike,
    store: Store | None,
    states: Mapping[str, PlanState],
    at_s: float,
    pushed: bool,
) -> Answer:
    """That of the first of them: the others' is the same."""
    device = alike.devices[0]
    entries: Mapping[Key, Entry] = {} if store is None else store.entries(device)
    situation = Situation(alike.product, device, alike.versions, at_s, pushed, entries, states)
    judged = rules.judge(center, situation)
    return answer_of(plan.name, judged)


def answer_of(plan: str, judged: list[Judged]) -> Answer:
    """What the device is told of *plan*, in one word."""
    own = [one for one in judged if one.plan.name == plan]
    if any(one.plan.name == plan for one in rules.choose(judged)):
        return Offer.OFFERED
    reasons = [one.why for one in own if one.why is not None]
    if len(reasons) < len(own):
        return Offer.LATER
    return max(reasons, key=list(Why).index)

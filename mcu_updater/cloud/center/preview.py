"""Who would be offered a plan, and why not the others: before it is activated, even before it is
written.

``rules`` decide, as for a device that asks. What they look at is the same for most devices of a
campaign, so they are asked once for all that are alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import nsmallest

from mcu_updater.cloud.center import queries, rules
from mcu_updater.cloud.center.device_session import fresh_states, seen_states
from mcu_updater.cloud.center.lifecycle import PlanState, seen_state
from mcu_updater.cloud.center.model import Center, Upgrade, UpgradePlan
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
    whole = _with_plan(center, plan)
    judge = _Judge(whole, store, _states(whole, store, plan, at_s), at_s, pushed)
    found: dict[Answer, list[str]] = defaultdict(list)
    for device, answer in judge.answers(plan).items():
        found[answer].append(device)
    order: list[Answer] = [one for one in (*Offer, *Why) if one in found]
    named = {one: tuple(nsmallest(MAX_NAMED, found[one])) for one in order}
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


class _Judge:
    """The rules, asked once for all devices that they cannot tell from one another."""

    def __init__(
        self,
        center: Center,
        store: Store | None,
        states: Mapping[str, PlanState],
        at_s: float,
        pushed: bool,
    ) -> None:
        self._center = center
        self._store = store
        self._states = states
        self._at_s = at_s
        self._pushed = pushed
        known = {} if store is None else store.devices()
        self._products = {device.id: device.product for device in center.devices} | known
        self._versions = _versions(center, store)

    def answers(self, plan: UpgradePlan) -> dict[str, Answer]:
        """By device."""
        order = list(Why)
        found: dict[str, Why] = {}
        due: set[str] = set()
        for upgrade in plan.upgrades:
            for device, why in self._reasons(plan, upgrade, self._products):
                before = found.get(device)
                if why is None:
                    due.add(device)
                elif before is None or order.index(why) > order.index(before):
                    found[device] = why
        later = due & self._due_before(plan, due)
        offers = dict.fromkeys(due, Offer.OFFERED) | dict.fromkeys(later, Offer.LATER)
        return found | offers

    def _due_before(self, plan: UpgradePlan, devices: set[str]) -> set[str]:
        """Those of *devices* of which something is due of a plan that comes before *plan*."""
        found: set[str] = set()
        for other in self._center.plans[: self._center.plans.index(plan)]:
            for upgrade in other.upgrades if other.product == plan.product else ():
                left = devices - found
                found |= {d for d, why in self._reasons(other, upgrade, left) if why is None}
        return found

    def _reasons(
        self, plan: UpgradePlan, upgrade: Upgrade, devices: Iterable[str]
    ) -> Iterator[tuple[str, Why | None]]:
        """Why each is not offered *upgrade*, were there no other."""
        looked_at = [(plan, upgrade), *rules.replacements(self._center, upgrade)]
        facts = [self._facts(other, one.component) for other, one in looked_at]
        lists = [_Lists.of(other) for other, _ in looked_at]
        versions = self._versions.get(upgrade.component, {})
        known: dict[Hashable, Why | None] = {}
        for device in devices:
            key = (
                self._products[device],
                versions.get(device),
                *(some.get(device) for some in facts),
                *(some.of_device(device) for some in lists),
            )
            if key not in known:
                entries = {
                    (other.name, one.component): queries.entry_of_facts(some[device], self._at_s)
                    for (other, one), some in zip(looked_at, facts, strict=True)
                    if device in some
                }
                known[key] = self._why(plan, upgrade, device, versions.get(device), entries)
            yield device, known[key]

    def _facts(self, plan: UpgradePlan, component: str) -> dict[str, queries.Facts]:
        if self._store is None:
            return {}
        key = plan.name, component
        return queries.facts_of(self._store, key, rules.rest_s(plan), self._at_s)

    def _why(
        self,
        plan: UpgradePlan,
        upgrade: Upgrade,
        device: str,
        version: str | None,
        entries: Mapping[Key, Entry],
    ) -> Why | None:
        situation = Situation(
            self._products[device],
            device,
            {} if version is None else {upgrade.component: version},
            self._at_s,
            self._pushed,
            entries,
            self._states,
        )
        return rules.why_not(self._center, plan, upgrade, situation)


@dataclass(frozen=True, slots=True)
class _Lists:
    """The black and white list of a plan, to look in them often."""

    black: frozenset[str]
    white: frozenset[str]

    @classmethod
    def of(cls, plan: UpgradePlan) -> _Lists:
        return cls(frozenset(plan.blacklist), frozenset(plan.whitelist))

    def of_device(self, device: str) -> tuple[bool, bool]:
        return device in self.black, device in self.white


def _versions(center: Center, store: Store | None) -> dict[str, dict[str, str]]:
    """By component and device: as the file says, overruled by what the device reported."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for device in center.devices:
        for component, version in device.versions.items():
            found[component][device.id] = version
    for (device_id, component), version in ({} if store is None else store.all_versions()).items():
        found[component][device_id] = version
    return found


def answer_of(plan: str, judged: list[Judged]) -> Answer:
    """What a device for which the rules have said *judged* is told of *plan*, in one word."""
    own = [one for one in judged if one.plan.name == plan]
    if any(one.plan.name == plan for one in rules.choose(judged)):
        return Offer.OFFERED
    reasons = [one.why for one in own if one.why is not None]
    if len(reasons) < len(own):
        return Offer.LATER
    return max(reasons, key=list(Why).index)

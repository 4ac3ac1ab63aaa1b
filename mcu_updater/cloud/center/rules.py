"""Who is offered what, and why not: a pure function of plans, device, and what became of both.

A plan's upgrade passes a list of hurdles in the order of ``Why``; the first that stops it is the
reason that ``mcu-updater center offer`` names. What has no reason is due. The first plan, in
their order, of which anything is due is offered: all of its components that are due, in one
message, in the plan's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mcu_updater.cloud.center.lifecycle import OVER, PlanState
from mcu_updater.cloud.center.model import (
    Center,
    ComponentType,
    Kind,
    Mode,
    Protocol,
    Upgrade,
    UpgradePlan,
    VersionPackage,
)
from mcu_updater.cloud.single_device import RUNNING, ComponentState

LWM2M_LIMIT_S = 48 * 3600.0  # from confirm to verdict, for LwM2M products; MQTT has no limit

C = ComponentState


class Why(StrEnum):
    """Why an upgrade is not offered now, in the order in which it is looked at."""

    PRODUCT = "it is for another product"
    BLACKLISTED = "the device is on the black list"
    NOT_WHITELISTED = "the device is not on the white list"
    SAVED = "the plan is not active yet"
    PAUSED = "the plan is paused"
    TERMINATED = "the plan was terminated"
    ENDED = "the plan has ended"
    NOT_BEGUN = "the planned time has not come"
    SEVERAL_FILES = "modules take one file for an MCU, the package has several"
    NO_VERSION = "the device has not reported a version of the component"
    AT_TARGET = "no update required"
    OTHER_SOURCE = "the delta is for another source version"
    NOT_SPECIFIED = "the plan is not for the version that the device reports"
    CLOSED = "it was ended for this device"
    DELTA_FAILED = "the delta failed, and the full package comes in its place"
    GIVEN_UP = "it failed, and the retries are used up"
    UNDER_WAY = "the upgrade is under way"
    USER = "the user has not confirmed"
    REFUSED = "the device refused, and the rejection period goes on"
    NOT_PUSHED = "the plan is not pushed, the device must ask"
    HOURS = "outside the push hours"


FOR_GOOD = frozenset(
    {
        Why.PRODUCT,
        Why.BLACKLISTED,
        Why.NOT_WHITELISTED,
        Why.TERMINATED,
        Why.ENDED,
        Why.SEVERAL_FILES,
        Why.AT_TARGET,
        Why.OTHER_SOURCE,
        Why.NOT_SPECIFIED,
        Why.CLOSED,
        Why.DELTA_FAILED,
        Why.GIVEN_UP,
    }
)
"""Reasons that time does not mend: nothing will come unless the device or the owner changes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the center knows of one upgrade on one device. Times in seconds since 1970."""

    state: ComponentState = C.NOT_RECEIVED
    failures: int = 0
    pushed_at_s: float = 0.0
    confirmed_at_s: float | None = None  # the first time
    user_confirmed: bool = False
    closed: str = ""  # why it is over for this device, whatever comes

    @property
    def begun(self) -> bool:
        """From the first confirm on, neither a pause nor the end of the plan stops it."""
        return self.confirmed_at_s is not None

    def reported(self, state: ComponentState, now_s: float) -> Entry:
        """The device says how far it is: that is recorded, whatever was expected."""
        confirmed = state is C.CONFIRMED and not self.begun
        return replace(
            self,
            state=state,
            failures=self.failures + (state is C.FAILED),
            confirmed_at_s=now_s if confirmed else self.confirmed_at_s,
        )


Key = tuple[str, str]
"""Of an entry of a device: plan and component."""

NO_ENTRY = Entry()


@dataclass(frozen=True, slots=True)
class Situation:
    """One device, at one moment. *pushed*: the device has not asked."""

    product: str
    device: str
    versions: Mapping[str, str]
    now_s: float
    pushed: bool = False
    entries: Mapping[Key, Entry] = field(default_factory=dict)
    plans: Mapping[str, PlanState] = field(default_factory=dict)  # as seen at that moment


@dataclass(frozen=True, slots=True)
class Judged:
    """One upgrade of one plan; *why* is None where it is due."""

    plan: UpgradePlan
    upgrade: Upgrade
    package: VersionPackage
    why: Why | None

    @property
    def key(self) -> Key:
        return self.plan.name, self.upgrade.component


def choose(judged: list[Judged]) -> list[Judged]:
    """What is offered: all that is due of the first plan of which anything is, in one message."""
    due = [one for one in judged if one.why is None]
    return [one for one in due if one.plan is due[0].plan]


def judge(center: Center, situation: Situation) -> list[Judged]:
    """Every upgrade of every plan, for that device at that moment."""
    return [one for plan in center.plans for one in _judge_plan(center, plan, situation)]


def _judge_plan(center: Center, plan: UpgradePlan, situation: Situation) -> Iterator[Judged]:
    for look in _looks(center, plan, situation):
        yield Judged(plan, look.upgrade, look.package, _why(look))


def why_not(
    center: Center, plan: UpgradePlan, upgrade: Upgrade, situation: Situation
) -> Why | None:
    """``judge``, of one upgrade of *plan* alone.

    Of *situation* it looks at what stands there of *upgrade* and, where that is a delta, of the
    full packages that could come in its place.
    """
    package = center.package(upgrade.package)
    assert package is not None, "a center file is read only when its references hold"
    return _why(_Look(center, plan, upgrade, package, situation))


def replacements(center: Center, upgrade: Upgrade) -> Iterator[tuple[UpgradePlan, Upgrade]]:
    """Full packages to where the delta of *upgrade* would have led; none for a full package."""
    delta = center.package(upgrade.package)
    if delta is None or delta.kind is not Kind.DELTA:
        return
    for plan in center.plans:
        for other in plan.upgrades:
            package = center.package(other.package)
            if package is None or package.kind is not Kind.FULL:
                continue
            if (other.component, package.target) == (upgrade.component, delta.target):
                yield plan, other


def _looks(center: Center, plan: UpgradePlan, situation: Situation) -> Iterator[_Look]:
    for upgrade in plan.upgrades:
        package = center.package(upgrade.package)
        assert package is not None, "a center file is read only when its references hold"
        yield _Look(center, plan, upgrade, package, situation)


def _why(look: _Look) -> Why | None:
    return next((why for why, stops in HURDLES.items() if stops(look)), None)


def _has_full(look: _Look) -> bool:
    """Whether a full package leads the device to where the delta would have led it, now or
    later. Without one the delta is tried again."""
    return any(
        why_not(look.center, plan, other, look.situation) not in FOR_GOOD
        for plan, other in replacements(look.center, look.upgrade)
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """What a hurdle looks at."""

    center: Center
    plan: UpgradePlan
    upgrade: Upgrade
    package: VersionPackage
    situation: Situation

    @property
    def entry(self) -> Entry:
        key = self.plan.name, self.upgrade.component
        return self.situation.entries.get(key, NO_ENTRY)

    @property
    def version(self) -> str | None:
        return self.situation.versions.get(self.upgrade.component)

    def plan_is(self, state: PlanState) -> bool:
        """And that counts: for who has begun it does not."""
        seen = self.situation.plans.get(self.plan.name, PlanState.ACTIVE)
        return seen is state and not self.entry.begun


HURDLES: dict[Why, Callable[[_Look], bool]] = {
    Why.PRODUCT: lambda look: look.plan.product != look.situation.product,
    Why.BLACKLISTED: lambda look: look.situation.device in look.plan.blacklist,
    Why.NOT_WHITELISTED: lambda look: not look.plan.covers(look.situation.device),
    Why.SAVED: lambda look: look.plan_is(PlanState.SAVED),
    Why.PAUSED: lambda look: look.plan_is(PlanState.PAUSED),
    Why.TERMINATED: lambda look: look.plan_is(PlanState.TERMINATED),
    Why.ENDED: lambda look: look.plan_is(PlanState.ENDED),
    Why.NOT_BEGUN: lambda look: look.situation.now_s < look.plan.begin_s,
    Why.SEVERAL_FILES: lambda look: (
        look.package.type is ComponentType.MCU and len(look.package.files) > 1
    ),
    Why.NO_VERSION: lambda look: look.version is None,
    Why.AT_TARGET: lambda look: look.version == look.package.target,
    Why.OTHER_SOURCE: lambda look: look.package.source not in (None, look.version),
    Why.NOT_SPECIFIED: lambda look: (
        bool(look.upgrade.versions) and look.version not in look.upgrade.versions
    ),
    Why.CLOSED: lambda look: bool(look.entry.closed),
    Why.DELTA_FAILED: lambda look: (
        look.package.kind is Kind.DELTA and look.entry.failures > 0 and _has_full(look)
    ),
    Why.GIVEN_UP: lambda look: is_given_up(look.plan, look.entry),
    Why.UNDER_WAY: lambda look: look.entry.state in RUNNING,
    Why.USER: lambda look: look.plan.mode is Mode.CONFIRMED and not look.entry.user_confirmed,
    Why.REFUSED: lambda look: _rests(look.plan, look.entry, look.situation.now_s),
    Why.NOT_PUSHED: lambda look: (
        look.situation.pushed and look.plan.mode is Mode.SILENT and not look.plan.push
    ),
    Why.HOURS: lambda look: look.situation.pushed and not look.plan.pushes_at(look.situation.now_s),
}
"""True stops the upgrade. In the order of ``Why``."""


def is_given_up(plan: UpgradePlan, entry: Entry) -> bool:
    return entry.failures > plan.strategy.retries


def _rests(plan: UpgradePlan, entry: Entry, now_s: float) -> bool:
    """The rejection period is a matter of silent plans that are pushed; it counts from the push."""
    if entry.state is not C.REFUSED or plan.mode is not Mode.SILENT or not plan.push:
        return False
    return now_s - entry.pushed_at_s < rest_s(plan)


def rest_s(plan: UpgradePlan) -> float:
    return 60.0 * plan.rejection_minutes


def is_done(plan: UpgradePlan, entry: Entry) -> bool:
    """Nothing more will happen with it by itself."""
    ended = entry.state in (C.SUCCESS, C.NOT_REQUIRED)
    return ended or bool(entry.closed) or is_given_up(plan, entry)


def why_close(
    center: Center, plan: UpgradePlan, seen: PlanState, entry: Entry, now_s: float
) -> str:
    """Why time has ended *entry*, which then counts as failed; empty: it has not."""
    if is_done(plan, entry):
        return ""
    product = center.product(plan.product)
    slow = product is not None and product.protocol is Protocol.LWM2M
    if entry.confirmed_at_s is not None:
        late = slow and now_s - entry.confirmed_at_s >= LWM2M_LIMIT_S
        return "no result within 48 hours" if late else ""
    return f"the plan is {seen}" if seen in OVER else ""

"""The emulated Developer Center: plans, and what became of them on one device.

What it decides, from the platform's device management manual: a component that is already at
the target is left alone; a plan with a source version is offered to that version only; a
refused plan comes again after the rejection period; a failed upgrade comes again until the
retries are used up. Plans are worked through in their order, one at a time.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from mcu_updater.core import ota


@dataclass(frozen=True, slots=True)
class Package:
    """The file in the cloud and what the cloud says of it.

    Digests are computed from *data* unless given: give a wrong one to test who checks.
    The CRC's algorithm is documented nowhere; CRC-32 stands in for it.
    """

    data: bytes = field(repr=False)
    md5: bytes = b""
    sha256: bytes = b""
    crc: int = -1

    def __post_init__(self) -> None:
        if not self.md5:
            digest = hashlib.md5(self.data, usedforsecurity=False).digest()
            object.__setattr__(self, "md5", digest)
        if not self.sha256:
            object.__setattr__(self, "sha256", hashlib.sha256(self.data).digest())
        if self.crc < 0:
            object.__setattr__(self, "crc", zlib.crc32(self.data))


@dataclass(frozen=True, slots=True)
class Plan:
    """One component's upgrade. The numbers are the strategy that 10700 announces.

    *own*: of the module's own firmware, which it downloads, checks and installs by itself.
    """

    component: str
    target_version: str
    package: Package
    source_version: str = ""  # empty: any
    battery_limit: int = 30  # percent; the manual's example
    min_signal: int = -113  # dBm; the manual's example
    retry_times: int | None = 5  # a failed upgrade is offered so often again; None: for ever
    rejection_period_s: float = 7200.0  # platform default 120 min, from 10 to 1440 min
    own: bool = False

    def offer(self) -> ota.PlanOffered:
        """The plan as 10700 says it; the space needed is the package's size."""
        return ota.PlanOffered(
            component=self.component,
            source_version=self.source_version,
            target_version=self.target_version,
            battery_limit=self.battery_limit,
            min_signal=self.min_signal,
            space=len(self.package.data),
        )


class ComponentState(Enum):
    """What the platform shows of a component."""

    NOT_RECEIVED = "plan not received"
    RECEIVED = "plan received"
    CONFIRMED = "device confirmed"
    WAITING_DOWNLOAD = "waiting download"
    DOWNLOADING = "downloading"
    DOWNLOAD_FAILED = "download failed"
    DOWNLOADED = "downloaded"
    UPGRADING = "upgrading"
    SUCCESS = "success"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_REQUIRED = "no update required"


# The upgrade goes on by itself: a request brings no second offer.
RUNNING = frozenset(
    {
        ComponentState.CONFIRMED,
        ComponentState.WAITING_DOWNLOAD,
        ComponentState.DOWNLOADING,
        ComponentState.DOWNLOAD_FAILED,
        ComponentState.DOWNLOADED,
        ComponentState.UPGRADING,
    }
)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One line of the plan's history."""

    at_s: float
    component: str
    state: ComponentState


@dataclass(slots=True)
class _Progress:
    """What the center knows of one plan on this device."""

    state: ComponentState = ComponentState.NOT_RECEIVED
    failures: int = 0
    pushed_at_s: float = 0.0


class OtherPlans(Exception):
    """What was saved is of another cloud: *what* differs, what this one has, and what was found."""

    def __init__(self, what: str, expected: object, found: object) -> None:
        self.what, self.expected, self.found = what, expected, found
        super().__init__(what)


class SingleDeviceCloud:
    """Decides what to offer, and keeps the history that a test or a report prints."""

    def __init__(self, plans: Sequence[Plan] = ()) -> None:
        self.plans = tuple(plans)
        self.history: list[StatusChange] = []
        self._progress = [_Progress() for _ in self.plans]

    def offer(self, versions: Mapping[str, str], now_s: float) -> Plan | None:
        """The first plan that is due for a device that reports these *versions*."""
        for index, plan in enumerate(self.plans):
            if self._is_due(index, versions, now_s):
                self._progress[index].pushed_at_s = now_s
                return plan
        return None

    def message(
        self,
        versions: Mapping[str, str],
        now_s: float,
        *,
        pushed: bool,  # noqa: ARG002  here every plan is pushed, and answers who asks
    ) -> Sequence[Plan]:
        """One plan for each component that has one, in the plans' order."""
        first = self.offer(versions, now_s)
        if first is None:
            return ()
        rest = [one for one in versions.items() if one[0] != first.component]
        asked = (self.offer(dict([one]), now_s) for one in rest)
        return (first, *sorted((plan for plan in asked if plan), key=self.plans.index))

    def _is_due(self, index: int, versions: Mapping[str, str], now_s: float) -> bool:
        plan, progress = self.plans[index], self._progress[index]
        version = versions.get(plan.component)
        if version is None:
            return False
        if version == plan.target_version:
            self._at_target(index, now_s)
            return False
        if plan.source_version not in ("", version):
            return False
        if progress.state in RUNNING or _is_given_up(plan, progress):
            return False
        return progress.state is not ComponentState.REFUSED or _rested_s(plan, progress, now_s) >= 0

    def _at_target(self, index: int, now_s: float) -> None:
        """A module tells of itself by its version: of two statuses it may have lost one."""
        plan, state = self.plans[index], self._progress[index].state
        if state is ComponentState.NOT_RECEIVED:
            self.report(plan, ComponentState.NOT_REQUIRED, now_s)
        elif plan.own and state in RUNNING:
            self.report(plan, ComponentState.SUCCESS, now_s)

    def report(self, plan: Plan, state: ComponentState, now_s: float) -> None:
        """The module says how far the plan is."""
        progress = self._progress[self.plans.index(plan)]
        progress.state = state
        progress.failures += state is ComponentState.FAILED
        self.history.append(StatusChange(now_s, plan.component, state))

    def state_of(self, plan: Plan) -> ComponentState:
        return self._progress[self.plans.index(plan)].state

    def failures_of(self, plan: Plan) -> int:
        """How often an upgrade by *plan* has failed."""
        return self._progress[self.plans.index(plan)].failures

    def memory(self, now_s: float) -> Hashable:
        """What decides what is offered from *now_s* on; times to the millisecond."""
        return tuple(
            [_memory(*known, now_s) for known in zip(self.plans, self._progress, strict=True)]
        )

    def memory_alone(self) -> Hashable:
        """``memory`` but for the time that has passed since an offer."""
        known = zip(self.plans, self._progress, strict=True)
        return tuple([_memory(plan, progress, None) for plan, progress in known])

    def save(self, now_s: float = 0.0) -> dict[str, Any]:
        """All but the packages' bytes, as JSON values; times relative to *now_s*."""
        return {
            "plans": [_saved_plan(plan) for plan in self.plans],
            "progress": [
                [p.state.value, p.failures, p.pushed_at_s - now_s] for p in self._progress
            ],
            "history": [[c.at_s - now_s, c.component, c.state.value] for c in self.history],
        }

    def kept(self) -> Hashable:
        """See ``cloud.KeptCloud``."""
        return self.memory_alone(), len(self.history)

    def restored(self, saved: Mapping[str, Any], packages: Sequence[str]) -> SingleDeviceCloud:
        """See ``cloud.KeptCloud``. Raises OtherPlans for any others: these never change."""
        for what, given, found in (
            ("plans", self.save()["plans"], saved["plans"]),
            ("packages", [plan.package.sha256.hex() for plan in self.plans], list(packages)),
        ):
            if given != found:
                raise OtherPlans(what, given, found)
        return self.load(saved, *(plan.package for plan in self.plans))

    @classmethod
    def load(
        cls, saved: Mapping[str, Any], *packages: Package, now_s: float = 0.0
    ) -> SingleDeviceCloud:
        """The center as it was saved; one package per plan, in the order of the plans."""
        center = cls(
            [
                Plan(package=package, **fields)
                for fields, package in zip(saved["plans"], packages, strict=True)
            ]
        )
        center._progress = [
            _Progress(ComponentState(state), failures, now_s + at_s)
            for state, failures, at_s in saved["progress"]
        ]
        center.history = [
            StatusChange(now_s + at_s, component, ComponentState(state))
            for at_s, component, state in saved["history"]
        ]
        return center


def _is_given_up(plan: Plan, progress: _Progress) -> bool:
    return plan.retry_times is not None and progress.failures > plan.retry_times


def _rested_s(plan: Plan, progress: _Progress, now_s: float) -> float:
    """How long ago the rejection period ended; below 0 while it goes on.

    To the microsecond: times that are carried to another process differ in their last bits.
    """
    return round(now_s - progress.pushed_at_s - plan.rejection_period_s, 6)


def _memory(plan: Plan, progress: _Progress, now_s: float | None) -> Hashable:
    """Failures count up to the last that matters; the time of the offer while it may be refused.

    None for *now_s*: that time is left out.
    """
    failures, rested_ms = 0, 0
    if plan.retry_times is not None:
        failures = min(progress.failures, plan.retry_times + 1)
    if now_s is not None and progress.state in (ComponentState.RECEIVED, ComponentState.REFUSED):
        rested_ms = min(0, round(1000 * _rested_s(plan, progress, now_s)))
    return progress.state, failures, rested_ms


def _saved_plan(plan: Plan) -> dict[str, Any]:
    return {
        "component": plan.component,
        "target_version": plan.target_version,
        "source_version": plan.source_version,
        "battery_limit": plan.battery_limit,
        "min_signal": plan.min_signal,
        "retry_times": plan.retry_times,
        "rejection_period_s": plan.rejection_period_s,
        **({"own": True} if plan.own else {}),
    }

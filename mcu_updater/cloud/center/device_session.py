"""One device's side of the center: the ``quectel.cloud.Cloud`` that its module speaks to.

Every offer and every report is one transaction on the state file, so that devices in other
processes, and whoever watches, find whole states only. What is decided, ``rules`` decides.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcu_updater.cloud.center import rules
from mcu_updater.cloud.center.lifecycle import PlanState, seen_state
from mcu_updater.cloud.center.load import BadCenterFile, CenterFile, Fault
from mcu_updater.cloud.center.model import Center, ComponentType, Contents, Device, UpgradePlan
from mcu_updater.cloud.center.rules import Entry, Judged, Key, Situation, Why
from mcu_updater.cloud.center.store import LogLine, Store
from mcu_updater.cloud.single_device import RUNNING, ComponentState, Package, Plan
from mcu_updater.core.errors import UsageError

# --- the state file and the center file together


def state_path(center_path: Path) -> Path:
    """Where the state of a center is kept unless somebody says otherwise."""
    return center_path.with_suffix(".db")


def open_state(
    file: CenterFile, path: Path, *, simulated: bool = False, now_s: float | None = None
) -> Store:
    """The state of *file* in *path*, made if missing, with all plans and devices of the file in it.

    Raises PortError where *path* cannot be used, and BadCenterFile where a plan that has been
    activated is not what it was: such a plan cannot be edited.
    """
    if path.exists():
        store = Store.open(path)
    else:
        moment_s = time.time() if now_s is None else now_s
        store = Store.create(path, str(file.path), simulated=simulated, now_s=moment_s)
    try:
        with store.transaction():
            _enter_plans(file, store)
            for device in file.center.devices:
                store.add_device(device.id, device.product, keys_of(file.center, device))
    except BaseException:
        store.close()
        raise
    return store


def _enter_plans(file: CenterFile, store: Store) -> None:
    known, states = store.plan_digests(), store.plan_states()
    for position, plan in enumerate(file.center.plans):
        digest = _digest(plan, file.center, file.contents)
        state = states.get(plan.name, PlanState.SAVED)
        if state is PlanState.SAVED:  # new, or it may still be edited
            fresh = PlanState.ACTIVE if plan.active else PlanState.SAVED
            store.put_plan(plan.name, position, fresh, digest)
        elif known[plan.name] != digest:
            fault = Fault(
                f'plans "{plan.name}"',
                "the plan has been activated and cannot be edited any more",
                "what it was, with the same packages",
                "another plan or package",
            )
            raise BadCenterFile(file.path, [fault])


def _digest(plan: UpgradePlan, center: Center, contents: Contents) -> str:
    """Of all that devices may see of *plan*."""
    digest = hashlib.sha256(repr(replace(plan, active=True)).encode())
    for upgrade in plan.upgrades:
        digest.update(repr(center.package(upgrade.package)).encode())
        for data in contents[upgrade.package]:
            digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def keys_of(center: Center, device: Device) -> list[Key]:
    """The upgrades that are meant for *device*: what monitoring shows of it."""
    return [
        (plan.name, upgrade.component)
        for plan in center.plans
        if plan.product == device.product and plan.covers(device.id)
        for upgrade in plan.upgrades
    ]


def now_of(store: Store) -> float:
    """The time of the center: the wall's, or the latest moment that is known where it is simulated.

    In a snapshot or a transaction.
    """
    return (store.latest_s() or 0.0) if store.simulated else time.time()


def fresh_states(center: Center, now_s: float) -> dict[str, PlanState]:
    """The state of every plan at *now_s*, before anything has happened."""
    first = {True: PlanState.ACTIVE, False: PlanState.SAVED}
    return {
        plan.name: seen_state(plan, first[plan.active], now_s, begun=False) for plan in center.plans
    }


def seen_states(center: Center, store: Store, now_s: float) -> dict[str, PlanState]:
    """The state of every plan at *now_s*."""
    stored, begun = store.plan_states(), store.begun_plans()
    known = {
        plan.name: seen_state(plan, stored[plan.name], now_s, begun=plan.name in begun)
        for plan in center.plans
        if plan.name in stored
    }
    return fresh_states(center, now_s) | known


def look(
    center: Center,
    store: Store,
    device: Device,
    versions: Mapping[str, str],
    now_s: float,
    *,
    pushed: bool = False,
) -> list[Judged]:
    """What the center would answer that device at that moment. Changes nothing."""
    plans = seen_states(center, store, now_s)
    entries = store.entries(device.id)
    situation = Situation(device.product, device.id, versions, now_s, pushed, entries, plans)
    return rules.judge(center, situation)


def device_of(center: Center, device_id: str) -> Device:
    """As the file describes it; one that it does not, where there is but one product, is of that.

    Raises UsageError where it could be of several.
    """
    found = center.device(device_id)
    if found is not None:
        return found
    if len(center.products) != 1:
        raise UsageError(
            "the device is not described, and there are several products",
            where=device_id,
            expected="[[devices]] with its id and product",
        )
    return Device(device_id, center.products[0].key)


# --- the device's side


class DeviceCenter:
    """A ``Cloud`` for one device. *epoch_s*: the moment at which the module's clock shows 0."""

    def __init__(self, file: CenterFile, store: Store, device: Device, epoch_s: float) -> None:
        self.device = device
        self._center = file.center
        self._store = store
        self._epoch_s = epoch_s
        self._keys: list[Key] = []
        self._plans: list[Plan] = []
        for plan in file.center.plans:
            if plan.product == device.product:
                self._add(plan, file.contents)
        with store.transaction():
            store.add_device(device.id, device.product, keys_of(file.center, device))

    def _add(self, plan: UpgradePlan, contents: Contents) -> None:
        """What the module may be offered; the rules say why not the rest."""
        for upgrade in plan.upgrades:
            package = self._center.package(upgrade.package)
            assert package is not None
            data = contents[package.name]
            own = package.type is ComponentType.MODULE
            if len(data) != 1 and not own:
                continue
            self._keys.append((plan.name, upgrade.component))
            self._plans.append(
                Plan(
                    component=upgrade.component,
                    target_version=package.target,
                    package=Package(b"".join(data)),
                    own=own,
                    source_version=package.source or "",
                    battery_limit=plan.strategy.min_battery,
                    min_signal=plan.strategy.min_signal,
                    retry_times=plan.strategy.retries,
                    rejection_period_s=60.0 * plan.rejection_minutes,
                )
            )

    @property
    def plans(self) -> Sequence[Plan]:
        return self._plans

    def message(self, versions: Mapping[str, str], now_s: float, *, pushed: bool) -> Sequence[Plan]:
        """What is due for the device that reports these *versions*; see ``rules``."""
        store, device, moment_s = self._store, self.device, self._epoch_s + now_s
        with store.transaction():
            store.put_versions(device.id, versions, moment_s)
            close_late(self._center, store, [device.id], moment_s)
            judged = look(self._center, store, device, versions, moment_s, pushed=pushed)
            self._note_at_target(judged, moment_s)
            keys = [one.key for one in rules.choose(judged)]
            entries = store.entries(device.id)
            for key in keys:
                entry = entries.get(key, rules.NO_ENTRY)
                store.put_entry(device.id, key, replace(entry, pushed_at_s=moment_s))
        return [self._plans[self._keys.index(key)] for key in keys]

    def _note_at_target(self, judged: list[Judged], now_s: float) -> None:
        """A module tells of itself by its version: of two statuses it may have lost one."""
        entries = self._store.entries(self.device.id)
        own = {key for key, plan in zip(self._keys, self._plans, strict=True) if plan.own}
        for one in judged:
            entry = entries.get(one.key)
            if entry is None or one.why is not Why.AT_TARGET:
                continue
            if entry.state is ComponentState.NOT_RECEIVED:
                self._record(one.key, ComponentState.NOT_REQUIRED, now_s)
            elif entry.state in RUNNING and one.key in own:
                self._record(one.key, ComponentState.SUCCESS, now_s)

    def report(self, plan: Plan, state: ComponentState, now_s: float) -> None:
        """The module says how far *plan* is."""
        index = next(at for at, known in enumerate(self._plans) if known is plan)
        with self._store.transaction():
            self._record(self._keys[index], state, self._epoch_s + now_s)

    def _record(self, key: Key, state: ComponentState, now_s: float) -> None:
        entry = self._store.entries(self.device.id).get(key, rules.NO_ENTRY)
        self._store.put_entry(self.device.id, key, entry.reported(state, now_s))
        self._store.add_log(LogLine(now_s, self.device.id, *key, state.value))

    def look(self, versions: Mapping[str, str], now_s: float) -> list[Judged]:
        """What the device would be answered now. Changes nothing."""
        with self._store.snapshot():
            return look(self._center, self._store, self.device, versions, self._epoch_s + now_s)

    def memory(self, now_s: float) -> Hashable:
        """The device's entries, with times relative to *now_s*, to the millisecond."""
        moment_s = self._epoch_s + now_s
        return tuple((key, _relative(entry, moment_s)) for key, entry in self._entries())

    def memory_alone(self) -> Hashable:
        return tuple((key, _relative(entry, None)) for key, entry in self._entries())

    def _entries(self) -> list[tuple[Key, Entry]]:
        with self._store.snapshot():
            return sorted(self._store.entries(self.device.id).items())

    def save(self, now_s: float = 0.0) -> dict[str, Any]:  # noqa: ARG002  nothing here is relative
        """Which plans these are; what became of them is in the state file already."""
        targets = (plan.target_version for plan in self._plans)
        plans = [[*key, target] for key, target in zip(self._keys, targets, strict=True)]
        return {"plans": plans, "device": self.device.id}

    def restored(self, saved: Mapping[str, Any]) -> DeviceCenter:  # noqa: ARG002
        """As it is in the state file."""
        return self


def _relative(entry: Entry, now_s: float | None) -> Hashable:
    times: Iterable[float | None] = (entry.pushed_at_s, entry.confirmed_at_s)
    if now_s is None:
        spans: Hashable = None
    else:
        spans = tuple(None if at is None else round(1000 * (at - now_s)) for at in times)
    return entry.state, entry.failures, entry.user_confirmed, entry.closed, entry.begun, spans


def close_late(center: Center, store: Store, devices: Iterable[str], now_s: float) -> None:
    """End what time has ended: in a transaction."""
    plans = seen_states(center, store, now_s)
    for device in devices:
        for key, entry in store.entries(device).items():
            plan = center.plan(key[0])
            if plan is None:
                continue
            why = rules.why_close(center, plan, plans[plan.name], entry, now_s)
            if why:
                close(store, device, key, entry, why, now_s)


def close(store: Store, device: str, key: Key, entry: Entry, why: str, now_s: float) -> None:
    """*entry* counts as failed from now on: in a transaction."""
    store.put_entry(device, key, replace(entry, state=ComponentState.FAILED, closed=why))
    store.add_log(LogLine(now_s, device, *key, f"{ComponentState.FAILED.value}: {why}"))

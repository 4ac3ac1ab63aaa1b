"""One device's side of the center: the ``quectel.cloud.Cloud`` that its module speaks to.

Every offer and every report is one transaction on the state file, so that devices in other
processes, and whoever watches, find whole states only. What is decided, ``rules`` decides.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mcu_updater.cloud.center import rules
from mcu_updater.cloud.center.device_session import close_late, keys_of, look
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import Device
from mcu_updater.cloud.center.rules import Entry, Judged, Key, Why
from mcu_updater.cloud.center.shared import SharedCenter
from mcu_updater.cloud.center.store import LogLine, Store
from mcu_updater.cloud.single_device import RUNNING, ComponentState, OtherPlans, Package, Plan


class DeviceCenter:
    """A ``Cloud`` for one device. *epoch_s*: the moment at which the module's clock shows 0.

    With a SharedCenter it has the plans that the center file has at the time. A plan that the
    module knows keeps its index; new ones come behind.
    """

    def __init__(
        self, file: CenterFile | SharedCenter, store: Store, device: Device, epoch_s: float
    ) -> None:
        self.device = device
        self._shared = file if isinstance(file, SharedCenter) else SharedCenter(file, store)
        self._store = store
        self._epoch_s = epoch_s
        self._keys: list[Key] = []
        self._plans: list[Plan] = []
        self._index: dict[Key, int] = {}  # of the newest with that key
        self._seen: CenterFile | None = None
        self._unsent: list[tuple[Key, ComponentState, float]] = []
        self._follow()

    @property
    def plans(self) -> Sequence[Plan]:
        return self._plans

    def _follow(self) -> CenterFile:
        """Have what the center file has now; what the module may hold of it stays."""
        file = self._shared.now()
        if file is not self._seen:
            self.device = file.center.device(self.device.id) or self.device
            for key, plan in self._shared.offers(self.device.product):
                self._put(key, plan)
            self._shared.attempt(lambda: self._enter(file))
        return file

    def _enter(self, file: CenterFile) -> None:
        with self._store.transaction():
            keys = keys_of(file.center, self.device)
            self._store.add_device(self.device.id, self.device.product, keys)
        self._seen = file

    def _put(self, key: Key, plan: Plan) -> None:
        at = self._index.get(key)
        if at is None:
            self._index[key] = len(self._plans)
            self._keys.append(key)
            self._plans.append(plan)
        else:
            self._plans[at] = plan  # another one only while it is saved, and offered to nobody

    # --- offers and reports

    def message(self, versions: Mapping[str, str], now_s: float, *, pushed: bool) -> Sequence[Plan]:
        """What is due for the device that reports these *versions*; see ``rules``. Nothing where
        the state file is locked: the device, or the next push, asks again."""
        file = self._follow()
        if not self.settle():
            return []
        found = self._shared.attempt(lambda: self._offer(file, versions, now_s, pushed=pushed))
        return [self._plans[self._index[key]] for key in found or ()]

    def _offer(
        self, file: CenterFile, versions: Mapping[str, str], now_s: float, *, pushed: bool
    ) -> list[Key]:
        store, device, moment_s = self._store, self.device, self._epoch_s + now_s
        with store.transaction():
            store.put_versions(device.id, versions, moment_s)
            close_late(file.center, store, [device.id], moment_s)
            judged = look(file.center, store, device, versions, moment_s, pushed=pushed)
            self._note_at_target(judged, moment_s)
            if self._note_lost(judged, moment_s):
                judged = look(file.center, store, device, versions, moment_s, pushed=pushed)
            keys = [one.key for one in rules.choose(judged)]
            entries = store.entries(device.id)
            for key in keys:
                entry = entries.get(key, rules.NO_ENTRY)
                store.put_entry(device.id, key, replace(entry, pushed_at_s=moment_s))
        return keys

    def _note_at_target(self, judged: list[Judged], now_s: float) -> None:
        """The version tells of the success, too: of two statuses the module may have lost one."""
        entries = self._store.entries(self.device.id)
        for one in judged:
            entry = entries.get(one.key)
            if entry is None or one.why is not Why.AT_TARGET:
                continue
            if entry.state is ComponentState.NOT_RECEIVED:
                self._record(one.key, ComponentState.NOT_REQUIRED, now_s)
            elif entry.state in RUNNING:
                self._record(one.key, ComponentState.SUCCESS, now_s)

    def _note_lost(self, judged: list[Judged], now_s: float) -> bool:
        """A module asks when no upgrade is under way. One that was has ended, then, and that was
        not said: of the statuses that wait for the network it keeps the last."""
        lost = [one.key for one in judged if one.why is Why.UNDER_WAY]
        for key in lost:
            self._record(key, ComponentState.FAILED, now_s)
        return bool(lost)

    def report(self, plan: Plan, state: ComponentState, now_s: float) -> None:
        """The module says how far *plan* is."""
        index = next(at for at, known in enumerate(self._plans) if known is plan)
        self._unsent.append((self._keys[index], state, self._epoch_s + now_s))
        self.settle()

    def settle(self) -> bool:
        """Write down all that was reported. False: the state file is still locked."""
        if self._unsent:
            self._shared.attempt(self._write_unsent)
        return not self._unsent

    @property
    def has_told(self) -> bool:
        """Nothing that was reported waits for the state file."""
        return not self._unsent

    def _write_unsent(self) -> None:
        with self._store.transaction():
            for report in self._unsent:
                self._record(*report)
        self._unsent.clear()

    def _record(self, key: Key, state: ComponentState, now_s: float) -> None:
        entry = self._store.entries(self.device.id).get(key, rules.NO_ENTRY)
        self._store.put_entry(self.device.id, key, entry.reported(state, now_s))
        self._store.add_log(LogLine(now_s, self.device.id, *key, state.value))

    # --- looking

    def look(self, versions: Mapping[str, str], now_s: float) -> list[Judged]:
        """What the device would be answered now. Changes nothing."""
        center = self._shared.now().center
        with self._store.snapshot():
            return look(center, self._store, self.device, versions, self._epoch_s + now_s)

    def memory(self, now_s: float) -> Hashable:
        """The device's entries, with times relative to *now_s*, to the millisecond."""
        moment_s = self._epoch_s + now_s
        return tuple((key, _relative(entry, moment_s)) for key, entry in self._entries())

    def memory_alone(self) -> Hashable:
        return tuple((key, _relative(entry, None)) for key, entry in self._entries())

    def _entries(self) -> list[tuple[Key, Entry]]:
        with self._store.snapshot():
            return sorted(self._store.entries(self.device.id).items())

    # --- kept with the module

    def kept(self) -> Hashable:
        """See ``cloud.KeptCloud``."""
        return tuple(self._keys), tuple(self._unsent)

    def save(self, now_s: float = 0.0) -> dict[str, Any]:  # noqa: ARG002  nothing here is relative
        """Which plans these are, and what could not be written into the state file yet; all else
        that became of them is in that already."""
        targets = (plan.target_version for plan in self._plans)
        plans = [[*key, target] for key, target in zip(self._keys, targets, strict=True)]
        unsent = [[*key, state.value, at_s] for key, state, at_s in self._unsent]
        return {"plans": plans, "device": self.device.id} | ({"unsent": unsent} if unsent else {})

    def restored(self, saved: Mapping[str, Any], packages: Sequence[str]) -> DeviceCenter:
        """See ``cloud.KeptCloud``. A plan that the file has not, or not so any more, is there
        without a package."""
        if saved["device"] != self.device.id:
            raise OtherPlans("device", self.device.id, saved["device"])
        found = DeviceCenter(self._shared, self._store, self.device, self._epoch_s)
        found._arrange(saved["plans"], packages)
        found._unsent = [
            ((plan, component), ComponentState(state), at_s)
            for plan, component, state, at_s in saved.get("unsent", ())
        ]
        return found

    def _arrange(self, saved: Sequence[Sequence[str]], packages: Sequence[str]) -> None:
        now = {key: self._plans[at] for key, at in self._index.items()}
        self._keys, self._plans, self._index = [], [], {}
        for (name, component, target), digest in zip(saved, packages, strict=True):
            plan = now.get((name, component))
            if plan is None or (plan.target_version, plan.package.sha256.hex()) != (target, digest):
                plan = Plan(component, target, Package(b"", sha256=bytes.fromhex(digest)))
            else:
                self._index[name, component] = len(self._plans)
            self._keys.append((name, component))
            self._plans.append(plan)
        for key, plan in now.items():
            self._put(key, plan)


def _relative(entry: Entry, now_s: float | None) -> Hashable:
    times: Iterable[float | None] = (entry.pushed_at_s, entry.confirmed_at_s)
    if now_s is None:
        spans: Hashable = None
    else:
        spans = tuple(None if at is None else round(1000 * (at - now_s)) for at in times)
    return entry.state, entry.failures, entry.user_confirmed, entry.closed, entry.begun, spans

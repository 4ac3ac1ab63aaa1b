"""The center file and the state file together: plans entered, and what is due at a moment."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mcu_updater.cloud.center import rules
from mcu_updater.cloud.center.lifecycle import PlanState, seen_state
from mcu_updater.cloud.center.load import BadCenterFile, CenterFile, Fault
from mcu_updater.cloud.center.model import Center, Device, UpgradePlan
from mcu_updater.cloud.center.rules import Entry, Judged, Key, Situation
from mcu_updater.cloud.center.store import LogLine, Store
from mcu_updater.cloud.single_device import ComponentState
from mcu_updater.core.errors import Remedy, UsageError


def state_path(center_path: Path) -> Path:
    """Where the state of a center is kept unless somebody says otherwise."""
    return center_path.with_suffix(".db")


def open_state(
    file: CenterFile,
    path: Path,
    *,
    simulated: bool = False,
    now_s: float | None = None,
    busy_s: float | None = None,
) -> Store:
    """The state of *file* in *path*, made if missing, with all plans and devices of the file in it.

    Raises PortError where *path* cannot be used, and BadCenterFile where a plan that has been
    activated is not what it was: such a plan cannot be edited. *busy_s*: ``Store.wait_at_most``.
    """
    if path.exists():
        store = Store.open(path)
    else:
        moment_s = time.time() if now_s is None else now_s
        store = Store.create(path, str(file.path), simulated=simulated, now_s=moment_s)
    try:
        if busy_s is not None:
            store.wait_at_most(busy_s)
        with store.transaction():
            enter_file(file, store)
    except BaseException:
        store.close()
        raise
    return store


def enter_file(file: CenterFile, store: Store) -> None:
    """What has changed in *file* since it was entered last: in a transaction.

    A saved plan that is not there any more, or is another one, is forgotten with its entries. A
    device that is not there any more stays known; if it never came, it counts in no plan. Where
    time is simulated, devices are entered once, and when they come: nobody else took part,
    whatever *file* says later (``fleet --devices N`` does not run the devices of its file). Raises
    BadCenterFile as ``check_plans``.

    Nothing is entered into a used state where the file on disk is another by now: whoever reads
    that one enters it. So a saved plan never becomes again what it was before an edit.
    """
    check_plans(file, store)
    if file.is_stale and store.plan_states():
        return
    known, states = store.plan_digests(), store.plan_states()
    for name in states.keys() - {plan.name for plan in file.center.plans}:
        store.forget_plan(name)
    for position, plan in enumerate(file.center.plans):
        if states.get(plan.name, PlanState.SAVED) is PlanState.SAVED:
            digest = _digest(plan, file)
            if known.get(plan.name) not in (None, digest):
                store.forget_plan(plan.name)  # with devices that it does not cover any more
            fresh = PlanState.ACTIVE if plan.active else PlanState.SAVED
            store.put_plan(plan.name, position, fresh, digest)
        else:
            store.put_plan(plan.name, position, states[plan.name], known[plan.name])
    known_devices = store.devices()
    taking_part = _taking_part(file.center, store)
    keys, entered = _keys_by_device(file.center, taking_part), store.entered()
    for name, product in taking_part.items():
        missing = keys[name]
        if known_devices.get(name, product) != product:
            store.move_device(name, product)
        else:
            missing = [key for key in missing if name not in entered.get(key, ())]
        if missing or name not in known_devices:
            store.add_device(name, product, missing)


def _taking_part(center: Center, store: Store) -> dict[str, str]:
    """Product by device: of those that plans are for; what they want of others is forgotten."""
    if store.simulated and (known := store.devices()):
        return known
    taking_part = store.heard_devices() | {device.id: device.product for device in center.devices}
    store.forget_entries_but(taking_part)
    return taking_part


def open_to_serve(file: CenterFile, path: Path, *, simulated: bool = False) -> Store:
    """``open_state`` for modules that clients may open.

    Raises UsageError where *path* is a fleet's: its time is not that of a served module, and who
    took part is known.
    """
    if path.exists() and _is_of_fleet(path):
        raise UsageError(
            "the state file is a fleet's: no other device can take part",
            where=str(path),
            expected="a state file of its own for served modules",
            remedies=[Remedy.OTHER_DB],
        )
    return open_state(file, path, simulated=simulated)


def _is_of_fleet(path: Path) -> bool:
    with closing(Store.open(path, read_only=True)) as store, store.snapshot():
        return store.fleet() is not None or bool(store.endings())  # those of schema 1 have none


def check_plans(file: CenterFile, store: Store) -> None:
    """Raises BadCenterFile where a plan that has been activated is not there any more, or it or a
    package of it is not what it was. In a snapshot or a transaction."""
    known = store.plan_digests()
    faults = []
    for name, state in store.plan_states().items():
        if state is PlanState.SAVED:
            continue
        plan = file.center.plan(name)
        if plan is None:
            faults.append(_gone(name, _as_what(name, file, known[name], store.path)))
        elif what := _changed(plan, file, known[name]):
            faults.append(_edited(name, what))
    if faults:
        raise BadCenterFile(file.path, faults)


def _as_what(name: str, file: CenterFile, known: str, path: Path) -> str:
    """Where the plan *name*, which the file has not, is instead."""
    for plan in file.center.plans:
        if not _changed(replace(plan, name=name), file, known):
            return f'the same plan as "{plan.name}"'
    return f"it only in the state file {path}"


def _gone(name: str, found: str) -> Fault:
    return Fault(
        f'plans "{name}"',
        "the plan has been activated and cannot be deleted any more",
        "the plan as it was: only one that is not active yet can be deleted",
        found,
        ("plans",),
    )


def _edited(name: str, what: str) -> Fault:
    return Fault(
        f'plans "{name}"',
        "the plan has been activated and cannot be edited any more",
        "what it was, with the same packages",
        what,
        ("plans",),
    )


def _digest(plan: UpgradePlan, file: CenterFile) -> str:
    """Of all that devices may see of *plan*: of the plan, then of each package and its files."""
    parts = [_digest_of_plan(plan)]
    for upgrade in plan.upgrades:
        parts.append(_sha256(repr(file.center.package(upgrade.package)).encode()))
        files = b"".join(hashlib.sha256(data).digest() for data in file.contents[upgrade.package])
        parts.append(_sha256(files))
    return " ".join(parts)


def _digest_of_plan(plan: UpgradePlan) -> str:
    return _sha256(repr(replace(plan, active=True)).encode())


def was_entered(plan: UpgradePlan, store: Store) -> bool:
    """Whether the state file has *plan* as it is here, as far as it says. In a transaction."""
    known = store.plan_digests().get(plan.name)
    if known is None or " " not in known:
        return known is not None
    return known.split()[0] == _digest_of_plan(plan)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _first_digest(plan: UpgradePlan, file: CenterFile) -> str:
    """As state files of earlier versions have it: one for all."""
    digest = hashlib.sha256(repr(replace(plan, active=True)).encode())
    for upgrade in plan.upgrades:
        digest.update(repr(file.center.package(upgrade.package)).encode())
        for data in file.contents[upgrade.package]:
            digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def _changed(plan: UpgradePlan, file: CenterFile, known: str) -> str:
    """What is another than it was when *known* was made; empty: nothing."""
    if " " not in known:
        return "" if _first_digest(plan, file) == known else "another plan or package"
    if (digest := _digest(plan, file)) == known:
        return ""
    before, now = known.split(), digest.split()
    if before[0] != now[0]:
        return "another plan"
    names = [upgrade.package for upgrade in plan.upgrades]
    parts = [text for name in names for text in (f'another package "{name}"', _of_package(name))]
    pairs = zip(parts, before[1:], now[1:], strict=False)
    return ", ".join(text for text, old, new in pairs if old != new)


def _of_package(name: str) -> str:
    return f'other bytes in the files of package "{name}"'


def keys_of(center: Center, device: Device) -> list[Key]:
    """The upgrades that are meant for *device*: what monitoring shows of it."""
    return _keys_by_device(center, {device.id: device.product})[device.id]


def _keys_by_device(center: Center, devices: Mapping[str, str]) -> dict[str, list[Key]]:
    """The same of many, product by device: both may be 10,000, and so may be a plan's lists."""
    found: dict[str, list[Key]] = {name: [] for name in devices}
    for plan in center.plans:
        keys = [(plan.name, upgrade.component) for upgrade in plan.upgrades]
        white, black = frozenset(plan.whitelist), frozenset(plan.blacklist)
        for name, product in devices.items():
            is_listed = name not in black and (not white or name in white)
            if product == plan.product and is_listed:
                found[name] += keys
    return found


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
        if stored.get(plan.name, PlanState.SAVED) is not PlanState.SAVED
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

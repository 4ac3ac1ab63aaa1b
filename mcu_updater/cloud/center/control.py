"""What the owner of a center may do while devices upgrade; where the platform can, and not else.

After a device has confirmed, nobody can call its upgrade off: it ends by its verdict, or when
the retries are used up (for LwM2M products also after 48 hours).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from mcu_updater.cloud.center import lifecycle, rules
from mcu_updater.cloud.center.device_session import close, close_late, seen_states, was_entered
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.model import Center, Mode, UpgradePlan
from mcu_updater.cloud.center.rules import Entry, Key
from mcu_updater.cloud.center.store import LogLine, Store
from mcu_updater.cloud.single_device import RUNNING, ComponentState
from mcu_updater.core.errors import UsageError


class DeviceAction(StrEnum):
    """What may be done with one device in a plan."""

    CONFIRM = "confirm"  # its user says yes, in an app
    CANCEL = "cancel"
    RETRY = "retry"  # after it has failed for good


def act_on_plan(
    center: Center, store: Store, name: str, action: lifecycle.Action, now_s: float
) -> PlanState:
    """Returns the plan's new state. Raises UsageError for what cannot be done in the old one."""
    plan = _plan(center, name)
    with store.transaction():
        state = seen_states(center, store, now_s)[name]
        new = lifecycle.ACTIONS.get((action, state))
        if new is None:
            can = sorted(a for a, s in lifecycle.ACTIONS if s is state)
            raise UsageError(
                f"a plan that is {state} cannot be acted on so",
                where=f"plan {name}",
                expected=f"one of {', '.join(can)}" if can else "nothing, it is over",
                found=action,
            )
        if action is lifecycle.Action.ACTIVATE and not was_entered(plan, store):
            raise UsageError(
                "another has edited the plan meanwhile",
                where=f"plan {name}",
                then="It was not activated. Read it again, and then decide",
            )
        store.set_plan_state(name, new)
        store.add_log(LogLine(now_s, "", plan.name, "", f"owner: {action}"))
        close_late(center, store, store.devices(), now_s)
        return seen_states(center, store, now_s)[name]


def act_on_device(
    center: Center, store: Store, name: str, device: str, action: DeviceAction, now_s: float
) -> list[Key]:
    """Act on all that the plan *name* wants of *device*. Returns what was changed.

    Raises UsageError where that cannot be done.
    """
    plan = _plan(center, name)
    with store.transaction():
        if device not in store.devices():
            raise UsageError("the center knows no such device", where=device)
        close_late(center, store, [device], now_s)
        entries = {k: e for k, e in store.entries(device).items() if k[0] == name}
        if not entries:
            raise UsageError("the plan is not for that device", where=f"plan {name}", found=device)
        state = seen_states(center, store, now_s)[name]
        changed = [
            key for key, entry in entries.items() if not _WHY_NOT[action](plan, state, entry)
        ]
        if not changed:
            raise UsageError(
                f"{action} is not possible",
                where=f"plan {name} ({state}), device {device}",
                expected=_EXPECTED[action],
                found=", ".join(f"{key[1]} {entry.state.value}" for key, entry in entries.items()),
            )
        for key in changed:
            _DO[action](store, device, key, entries[key], now_s)
        return changed


def _plan(center: Center, name: str) -> UpgradePlan:
    plan = center.plan(name)
    if plan is None:
        known = ", ".join(p.name for p in center.plans)
        raise UsageError("there is no such plan", expected=f"one of {known}", found=repr(name))
    return plan


def why_not(
    center: Center, store: Store, device: str, now_s: float
) -> dict[str, dict[DeviceAction, str]]:
    """By plan, what may be done with *device*: why each action is not possible, or nothing.

    In a snapshot or a transaction. Changes nothing.
    """
    states = seen_states(center, store, now_s)
    found: dict[str, dict[DeviceAction, str]] = {}
    entries = store.entries(device)
    for plan in center.plans:
        state = states[plan.name]
        own = {
            component: _as_of(center, plan, state, entry, now_s)
            for (name, component), entry in entries.items()
            if name == plan.name
        }
        if own:
            found[plan.name] = {one: _reason(one, plan, state, own) for one in DeviceAction}
    return found


def _as_of(
    center: Center, plan: UpgradePlan, state: PlanState, entry: Entry, now_s: float
) -> Entry:
    """What ``close_late`` would make of *entry*."""
    why = rules.why_close(center, plan, state, entry, now_s)
    return replace(entry, state=ComponentState.FAILED, closed=why) if why else entry


def _reason(
    action: DeviceAction, plan: UpgradePlan, state: PlanState, entries: dict[str, Entry]
) -> str:
    """Nothing if it can be done with any component; each by its name where they differ."""
    reasons = {one: _WHY_NOT[action](plan, state, entry) for one, entry in entries.items()}
    different = set(reasons.values())
    if "" in different:
        return ""
    if len(different) == 1:
        return different.pop()
    return "; ".join(f"{component}: {why}" for component, why in reasons.items())


def _why_not_confirm(plan: UpgradePlan, state: PlanState, entry: Entry) -> str:
    if plan.mode is not Mode.CONFIRMED:
        return "the plan needs no confirmation"
    if state in lifecycle.OVER:
        return f"the plan is {state}"
    if rules.is_done(plan, entry):
        return "it has ended for this device"
    return "the user has confirmed already" if entry.user_confirmed else ""


def _why_not_cancel(plan: UpgradePlan, _: PlanState, entry: Entry) -> str:
    if rules.is_done(plan, entry):
        return "it has ended for this device"
    if entry.state in RUNNING:
        return "it is under way: after a confirm nobody can call it off"
    return ""


def _why_not_retry(plan: UpgradePlan, state: PlanState, entry: Entry) -> str:
    if entry.state is not ComponentState.FAILED:
        return "it has not failed"
    if not rules.is_done(plan, entry):
        return "it is offered again without that: retries are left"
    if state is not PlanState.UPGRADING:
        return f"the plan is {state}; a retry needs one that is upgrading"
    return ""


def _confirm(store: Store, device: str, key: Key, entry: Entry, now_s: float) -> None:
    store.put_entry(device, key, replace(entry, user_confirmed=True))
    store.add_log(LogLine(now_s, device, *key, "user: confirmed"))


def _cancel(store: Store, device: str, key: Key, entry: Entry, now_s: float) -> None:
    close(store, device, key, entry, "cancelled by the owner", now_s)


def _retry(store: Store, device: str, key: Key, entry: Entry, now_s: float) -> None:
    fresh = Entry(user_confirmed=entry.user_confirmed)
    store.put_entry(device, key, fresh)
    store.add_log(LogLine(now_s, device, *key, "owner: retry"))


_WHY_NOT: dict[DeviceAction, Callable[[UpgradePlan, PlanState, Entry], str]] = {
    DeviceAction.CONFIRM: _why_not_confirm,
    DeviceAction.CANCEL: _why_not_cancel,
    DeviceAction.RETRY: _why_not_retry,
}
_DO: dict[DeviceAction, Callable[[Store, str, Key, Entry, float], None]] = {
    DeviceAction.CONFIRM: _confirm,
    DeviceAction.CANCEL: _cancel,
    DeviceAction.RETRY: _retry,
}
_EXPECTED = {
    DeviceAction.CONFIRM: "a plan that users confirm, and that has not been confirmed or ended",
    DeviceAction.CANCEL: "an upgrade that is not under way (it cannot be called off) and not ended",
    DeviceAction.RETRY: "an upgrade that has failed for good, in a plan that is upgrading",
}

"""Questions about thousands of devices, which the state file answers without a row for each.

Whether time has ended an upgrade (``rules.why_close``) is said in SQL here once more: tests hold
the two equal.
"""

# ruff: noqa: S608  texts are put together of constants alone: values are parameters

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from enum import IntEnum

from mcu_updater.cloud.center.lifecycle import OVER, PlanState
from mcu_updater.cloud.center.model import Center, Protocol, UpgradePlan
from mcu_updater.cloud.center.rules import LWM2M_LIMIT_S, Entry, Key
from mcu_updater.cloud.center.store import LogLine, Store, entry_of_row
from mcu_updater.cloud.single_device import RUNNING, ComponentState

C = ComponentState


class Rank(IntEnum):
    """What a component's state weighs in that of its device: the greatest decides, all but."""

    NOT_REQUIRED = 0
    SUCCESS = 1
    WAITING = 2  # neither begun nor ended: a success of another component makes it upgrading
    RUNNING = 3
    FAILED = 4


def rank_of(state: ComponentState) -> Rank:
    if state in RUNNING:
        return Rank.RUNNING
    known = {C.NOT_REQUIRED: Rank.NOT_REQUIRED, C.SUCCESS: Rank.SUCCESS, C.FAILED: Rank.FAILED}
    return known.get(state, Rank.WAITING)


@dataclass(frozen=True, slots=True)
class Closing:
    """What decides whether time has ended the entries of one plan: parameters of the queries."""

    plan: str
    retries: int
    is_over: bool
    is_slow: bool
    now_s: float
    limit_s: float = LWM2M_LIMIT_S

    @classmethod
    def of(cls, center: Center, plan: UpgradePlan, seen: PlanState, now_s: float) -> Closing:
        product = center.product(plan.product)
        slow = product is not None and product.protocol is Protocol.LWM2M
        return cls(plan.name, plan.strategy.retries, seen in OVER, slow, now_s)


def _texts(states: AbstractSet[ComponentState]) -> str:
    return ", ".join(f"'{state.value}'" for state in sorted(states, key=lambda s: s.value))


_STATE = f"""CASE
    WHEN state IN ({_texts({C.SUCCESS, C.NOT_REQUIRED})}) OR closed <> '' OR failures > :retries
        THEN state
    WHEN confirmed_at_s IS NULL AND :is_over THEN '{C.FAILED.value}'
    WHEN :is_slow AND :now_s - confirmed_at_s >= :limit_s THEN '{C.FAILED.value}'
    ELSE state END"""
"""An entry's state as ``monitor`` shows it."""

_RANK = "CASE seen " + " ".join(f"WHEN '{s.value}' THEN {rank_of(s)}" for s in C) + " END"

_ENTRIES = f"SELECT device, {_STATE} AS seen FROM entry WHERE plan = :plan"


def count_components(store: Store, closing: Closing) -> dict[ComponentState, int]:
    """How many upgrades of the plan are in which state."""
    sql = f"SELECT seen, count(*) FROM ({_ENTRIES}) GROUP BY seen"
    return {C(state): count for state, count in store.read(sql, asdict(closing))}


def count_devices(store: Store, closing: Closing) -> dict[tuple[int, bool], int]:
    """How many devices of the plan there are by greatest rank, and whether any is a success."""
    one = f"SELECT device, {_RANK} AS rank FROM ({_ENTRIES})"
    each = f"SELECT max(rank) AS most, max(rank = 1) AS good FROM ({one}) GROUP BY device"
    sql = f"SELECT most, good, count(*) FROM ({each}) GROUP BY most, good"
    rows = store.read(sql, asdict(closing))
    return {(most, bool(good)): count for most, good, count in rows}


def ranks(
    store: Store, closing: Closing, text: str, states: AbstractSet[ComponentState]
) -> Iterator[tuple[str, int, int, int]]:
    """Devices of the plan with *text* in their id: greatest rank, any success, any of *states*."""
    one = (
        f"SELECT device, {_RANK} AS rank, seen IN ({_texts(states)}) AS there"
        f" FROM ({_ENTRIES}) WHERE {_HAS_TEXT.format('device')}"
    )
    sql = f"SELECT device, max(rank), max(rank = 1), max(there) FROM ({one}) GROUP BY device"
    return store.read(sql, asdict(closing) | {"text": text})


_HAS_TEXT = "(:text = '' OR instr(lower({}), lower(:text)) > 0)"
"""No LIKE: in it % and _ stand for others."""


def known_devices(store: Store, text: str) -> list[str]:
    """Ids that have *text* in them, in their order."""
    sql = f"SELECT id FROM device WHERE {_HAS_TEXT.format('id')} ORDER BY id"
    return [device for (device,) in store.read(sql, {"text": text})]


def entry_facts(
    store: Store, plan: UpgradePlan, now_s: float
) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Each device of *plan*, and what of its entries decides: equal facts, equal answers."""
    sql = (
        "SELECT device, component, state, failures, confirmed_at_s IS NULL, user_confirmed,"
        " closed = '', state = :refused AND :now_s - pushed_at_s < :rest_s"
        " FROM entry WHERE plan = :plan"
    )
    parameters = {
        "plan": plan.name,
        "now_s": now_s,
        "refused": C.REFUSED.value,
        "rest_s": 60 * plan.rejection_minutes,
    }
    for device, *facts in store.read(sql, parameters):
        yield device, tuple(facts)


# --- what there is of some devices

_SOME = "(SELECT value FROM json_each(:devices))"


def _named(devices: Sequence[str]) -> dict[str, str]:
    return {"devices": json.dumps(devices)}


def entries_of(store: Store, devices: Sequence[str]) -> Iterator[tuple[str, Key, Entry]]:
    """As ``Store.all_entries``."""
    sql = f"SELECT * FROM entry WHERE device IN {_SOME} ORDER BY device, plan, component"
    for row in store.read(sql, _named(devices)):
        yield row[1], (row[0], row[2]), entry_of_row(row)


def versions_of(store: Store, devices: Sequence[str]) -> dict[tuple[str, str], str]:
    """As ``Store.all_versions``."""
    sql = f"SELECT device, component, version FROM version WHERE device IN {_SOME}"
    return {(row[0], row[1]): row[2] for row in store.read(sql, _named(devices))}


def last_changes_of(store: Store, devices: Sequence[str]) -> dict[tuple[str, str, str], LogLine]:
    """As ``Store.last_changes``."""
    sql = (
        "SELECT at_s, device, plan, component, text FROM log WHERE id IN"
        f" (SELECT max(id) FROM log WHERE device IN {_SOME} GROUP BY device, plan, component)"
    )
    lines = [LogLine(*row) for row in store.read(sql, _named(devices))]
    return {(line.device, line.plan, line.component): line for line in lines}

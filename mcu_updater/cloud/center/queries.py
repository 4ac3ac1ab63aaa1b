"""Questions about thousands of devices, which the state file answers without a row for each.

Whether time has ended an upgrade (``rules.why_close``) is said in SQL here once more: tests hold
the two equal.
"""

# ruff: noqa: S608  texts are put together of constants alone: values are parameters

from __future__ import annotations

import json
import math
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


_CLOSED = f"""CASE
    WHEN state IN ({_texts({C.SUCCESS, C.NOT_REQUIRED})}) OR closed <> '' OR failures > :retries
        THEN state
    WHEN confirmed_at_s IS NULL AND :is_over THEN '{C.FAILED.value}'
    WHEN :is_slow AND :now_s - confirmed_at_s >= :limit_s THEN '{C.FAILED.value}'
    ELSE state END"""


def _ranks() -> str:
    """The rank of what is *seen*; what most devices are comes first, which saves a third."""
    often = [C.SUCCESS, C.NOT_RECEIVED, C.FAILED, C.NOT_REQUIRED]
    states = [*often, *(state for state in C if state not in often)]
    return "CASE seen " + " ".join(f"WHEN '{s.value}' THEN {rank_of(s)}" for s in states) + " END"


_RANK = _ranks()


def _entries(closing: Closing) -> str:
    """Device and state, as ``monitor`` shows it, of every entry of the plan."""
    state = _CLOSED if closing.is_over or closing.is_slow else "state"
    return f"SELECT device, {state} AS seen FROM entry WHERE plan = :plan"


def count_components(store: Store, closing: Closing) -> dict[ComponentState, int]:
    """How many upgrades of the plan are in which state."""
    sql = f"SELECT seen, count(*) FROM ({_entries(closing)}) GROUP BY seen"
    return {C(state): count for state, count in store.read(sql, asdict(closing))}


def count_devices(store: Store, closing: Closing) -> dict[tuple[int, bool], int]:
    """How many devices of the plan there are by greatest rank, and whether any is a success."""
    one = f"SELECT device, {_RANK} AS rank FROM ({_entries(closing)})"
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
        f" FROM ({_entries(closing)}) WHERE {_HAS_TEXT.format('device')}"
    )
    sql = f"SELECT device, max(rank), max(rank = 1), max(there) FROM ({one}) GROUP BY device"
    return store.read(sql, asdict(closing) | {"text": text})


def devices_of(store: Store, plan: str, text: str) -> list[str]:
    """Ids of the plan's devices that have *text* in them, in their order."""
    sql = (
        "SELECT DISTINCT device FROM entry"
        f" WHERE plan = :plan AND {_HAS_TEXT.format('device')} ORDER BY device"
    )
    return [device for (device,) in store.read(sql, {"plan": plan, "text": text})]


_HAS_TEXT = "(:text = '' OR instr(lower({}), lower(:text)) > 0)"
"""No LIKE: in it % and _ stand for others."""


def known_devices(store: Store, text: str) -> list[str]:
    """Ids that have *text* in them, in their order."""
    sql = f"SELECT id FROM device WHERE {_HAS_TEXT.format('id')} ORDER BY id"
    return [device for (device,) in store.read(sql, {"text": text})]


Facts = tuple[str, int, int, int, int, int]
"""All of an entry that decides about an offer at one moment: equal facts, equal answers."""


def facts_of(store: Store, key: Key, rest_s: float, now_s: float) -> dict[str, Facts]:
    """By device. *rest_s*: how long a device that has refused is left alone."""
    sql = (
        "SELECT device, state, failures, state = :refused AND :now_s - pushed_at_s < :rest_s,"
        " confirmed_at_s IS NOT NULL, user_confirmed, closed <> ''"
        " FROM entry WHERE plan = :plan AND component = :component"
    )
    asked = {"plan": key[0], "component": key[1], "refused": C.REFUSED.value}
    rows = store.read(sql, asked | {"rest_s": rest_s, "now_s": now_s})
    return {row[0]: row[1:] for row in rows}


def entry_of_facts(facts: Facts, now_s: float) -> Entry:
    """An entry of which the rules say at *now_s* what they say of those that have these *facts*."""
    state, failures, rests, begun, user_confirmed, closed = facts
    return Entry(
        C(state),
        failures,
        now_s if rests else -math.inf,
        now_s if begun else None,
        bool(user_confirmed),
        "closed" if closed else "",
    )


# --- what there is of some devices

_SOME = "(SELECT value FROM json_each(:devices))"


def _named(devices: Sequence[str]) -> dict[str, str | None]:
    return {"devices": json.dumps(devices)}


def entries_of(
    store: Store, devices: Sequence[str], plan: str | None = None
) -> Iterator[tuple[str, Key, Entry]]:
    """As ``Store.all_entries``; of *plan* alone where it is given."""
    sql = (
        f"SELECT * FROM entry WHERE device IN {_SOME} AND plan = ifnull(:plan, plan)"
        " ORDER BY device, plan, component"
    )
    for row in store.read(sql, _named(devices) | {"plan": plan}):
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

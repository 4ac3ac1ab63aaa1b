"""A Developer Center to look at: tables for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mcu_updater.cloud.center.model import Center
from mcu_updater.cloud.center.monitoring import (
    DeviceState,
    DeviceView,
    Monitoring,
    PlanSummary,
    PlanView,
)
from mcu_updater.cloud.center.preview import Preview
from mcu_updater.cloud.center.rules import Judged
from mcu_updater.cloud.center.store import Ended, Ending, LogLine
from mcu_updater.report.schema import SCHEMA

_ORDINARY = frozenset({DeviceState.UPGRADED, DeviceState.NOT_REQUIRED})
_SHOWN = 40  # devices in a table


def moment(at_s: float) -> str:
    """In UTC, where the first and the last day of a local calendar may be in another year."""
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "after the year 9999" if at_s > 0 else "before the year 1"


def _table(*names: str, title: str = "") -> Table:
    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left")
    for name in names:
        justify: Literal["left", "right"] = "right" if name in _RIGHT else "left"
        table.add_column(name, justify=justify, no_wrap=name in _WHOLE)
    return table


_RIGHT = frozenset(
    {"devices", *DeviceState, "success rate", "cuts", "faults", "sessions", "failures", "bytes"}
)
_WHOLE = frozenset({"state", "device", "time", "since", "component state", "devices"})


# --- monitoring


def monitoring_tables(seen: Monitoring, *, everyone: bool, more: str = "") -> list[RenderableType]:
    """Plans, component states, devices; of these only who is not done well, unless *everyone*.

    *more*: how to see those that are left out.
    """
    zone = "simulated time" if seen.simulated else "UTC"
    parts: list[RenderableType] = [Text(f"At {moment(seen.at_s)} ({zone})"), "", _plans(seen.plans)]
    for plan in seen.plans:
        shown = [d for d in plan.devices if everyone or d.state not in _ORDINARY]
        parts += ["", _components(plan)] if plan.devices else []
        parts += ["", _devices(plan, shown, everyone, more)] if shown else []
    if seen.endings:
        parts += ["", endings_table(seen.endings)]
    return parts


def _plans(plans: Iterable[PlanView]) -> Table:
    table = _table("plan", "state", "target", "devices", *DeviceState, "success rate")
    for plan in plans:
        counts = [str(plan.counts[state]) for state in DeviceState]
        rate = "" if plan.success_rate is None else f"{plan.success_rate:.1%}"
        targets = ", ".join(plan.targets)
        table.add_row(plan.name, plan.state, targets, str(len(plan.devices)), *counts, rate)
    return table


def _components(plan: PlanView) -> Table:
    table = _table("component state", "devices", title=f"Plan {plan.name}")
    for state, count in plan.component_counts.items():
        table.add_row(state.value, str(count))
    return table


def _devices(plan: PlanView, shown: Sequence[DeviceView], everyone: bool, more: str) -> Table:
    names = ("device", "state", "component", "component state", "version", "failures", "since")
    table = _table(*names, "last", title=f"Devices of plan {plan.name}")
    limit = len(shown) if everyone else _SHOWN
    for device in shown[:limit]:
        for at, one in enumerate(device.components):
            since = "" if one.changed_at_s is None else moment(one.changed_at_s)
            head = (device.device, device.state) if at == 0 else ("", "")
            table.add_row(
                *head,
                one.component,
                one.state.value,
                one.version,
                str(one.failures),
                since,
                one.last,
            )
    if len(shown) > limit:
        table.add_row(f"and {len(shown) - limit} more{more and f'; {more}'}")
    return table


def log_table(lines: Iterable[LogLine]) -> Table:
    """The log of one device."""
    table = _table("time", "plan", "component", "what")
    for line in lines:
        table.add_row(moment(line.at_s), line.plan, line.component, line.text)
    return table


def monitoring_json(seen: Monitoring) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "at": moment(seen.at_s),
        "simulated": seen.simulated,
        "plans": [_plan_json(plan) for plan in seen.plans],
        "endings": [asdict(ending) for ending in seen.endings],
    }


def _plan_json(plan: PlanView) -> dict[str, Any]:
    return {
        "name": plan.name,
        "product": plan.product,
        "state": plan.state,
        "targets": list(plan.targets),
        "counts": dict(plan.counts),
        "success_rate": plan.success_rate,
        "devices": [device_json(device) for device in plan.devices],
    }


def summary_json(plan: PlanSummary) -> dict[str, Any]:
    """As a plan in ``monitoring_json``, with counts for the devices themselves."""
    return {
        "name": plan.name,
        "product": plan.product,
        "state": plan.state,
        "targets": list(plan.targets),
        "total": plan.devices,
        "counts": dict(plan.counts),
        "component_counts": {state.value: n for state, n in plan.component_counts.items()},
        "stages": plan.stages,
        "success_rate": plan.success_rate,
    }


def device_json(device: DeviceView) -> dict[str, Any]:
    components = [
        {**asdict(one), "state": one.state.value, "stage": one.stage} for one in device.components
    ]
    return {"device": device.device, "state": device.state, "components": components}


def log_json(lines: Iterable[LogLine]) -> dict[str, Any]:
    return {"schema": SCHEMA, "log": [asdict(line) for line in lines]}


# --- fleets


def endings_table(endings: Iterable[Ending]) -> Table:
    """How many ended how."""
    ended = list(endings)
    table = _table("outcome", "devices", "cuts", "faults", "sessions")
    for outcome in Ended:
        some = [ending for ending in ended if ending.outcome == outcome]
        if some:
            table.add_row(outcome, *_sums(some))
    table.add_row("all", *_sums(ended), style="bold")
    return table


def _sums(endings: Sequence[Ending]) -> list[str]:
    sums = (
        len(endings),
        sum(ending.cuts for ending in endings),
        sum(ending.faults for ending in endings),
        sum(ending.sessions for ending in endings),
    )
    return [str(number) for number in sums]


# --- offers and checks


def offer_table(judged: Iterable[Judged], offered: Sequence[Judged]) -> Table:
    """Every upgrade of every plan, and why it is not offered."""
    table = _table("plan", "component", "package", "target", "answer")
    for one in judged:
        answer = "offered" if one in offered else "due after another plan"
        answer = answer if one.why is None else f"no: {one.why}"
        table.add_row(
            one.plan.name, one.upgrade.component, one.package.name, one.package.target, answer
        )
    return table


def offer_json(judged: Iterable[Judged], offered: Sequence[Judged]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "upgrades": [
            {
                "plan": one.plan.name,
                "component": one.upgrade.component,
                "package": one.package.name,
                "target": one.package.target,
                "offered": one in offered,
                "why_not": None if one.why is None else str(one.why),
            }
            for one in judged
        ],
    }


def preview_json(seen: Preview) -> dict[str, Any]:
    """How many devices would be answered what, and who they are, some of each."""
    return {
        "schema": SCHEMA,
        "at": moment(seen.at_s),
        "devices": seen.devices,
        "counts": {str(answer): count for answer, count in seen.counts.items()},
        "first": {str(answer): list(names) for answer, names in seen.first.items()},
    }


def center_table(center: Center, sizes: dict[str, int]) -> Table:
    """What a good center file holds."""
    table = _table("plan", "product", "mode", "component", "package", "kind", "target", "bytes")
    for plan in center.plans:
        for at, upgrade in enumerate(plan.upgrades):
            package = center.package(upgrade.package)
            assert package is not None
            head = (plan.name, plan.product, plan.mode) if at == 0 else ("", "", "")
            kind = package.kind if package.source is None else f"{package.kind} of {package.source}"
            size = str(sizes[package.name])
            table.add_row(*head, upgrade.component, package.name, kind, package.target, size)
    return table

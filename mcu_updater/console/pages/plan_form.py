"""An upgrade plan as a form, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mcu_updater.cloud.center.faults import Place
from mcu_updater.cloud.center.model import Center, Component, Kind, Product, UpgradePlan
from mcu_updater.console.api.bodies import parsed
from mcu_updater.console.pages.forms import Form, Values, given, number, words
from mcu_updater.console.problems import Problem

LABELS = {
    "name": "Name",
    "product": "Product",
    "upgrades": "Components and version packages",
    "timezone": "Time zone",
    "begin": "Begin",
    "end": "End",
    "push_hours": "Push hours",
    "mode": "Mode",
    "push": "Push actively",
    "rejection_minutes": "Rejection period, minutes",
    "strategy.retries": "Retries",
    "strategy.min_battery": "Battery, percent",
    "strategy.min_signal": "Signal, dBm",
    "whitelist": "White list",
    "blacklist": "Black list",
}
_NUMBERS = ("rejection_minutes",)
_STRATEGY = ("retries", "min_battery", "min_signal")
_LISTS = ("whitelist", "blacklist")
_TOGETHER: dict[Place | str, str] = {
    "an end after the begin": "end",
    "push_hours of one hour at least": "push_hours",
}
"""The field of what the model expects of two together."""


def fresh(product: str) -> Form:
    """Of a plan that is still to be made: the platform's defaults."""
    values: Values = {
        "product": [product],
        "timezone": ["UTC"],
        "mode": ["silent"],
        "push": ["on"],
        "rejection_minutes": ["120"],
        "strategy.retries": ["5"],
        "strategy.min_battery": ["30"],
        "strategy.min_signal": ["-113"],
    }
    return Form(values, LABELS)


def form_of(plan: UpgradePlan) -> Form:
    """What the form shows of *plan*. Times are in its time zone."""
    first, last = plan.push_hours or ("", "")
    form = given(
        {
            "name": plan.name,
            "product": plan.product,
            "timezone": plan.timezone,
            "begin": _local(plan.begin, plan.timezone),
            "end": _local(plan.end, plan.timezone),
            "push_hours.from": first,
            "push_hours.to": last,
            "mode": plan.mode.value,
            "push": plan.push,
            "rejection_minutes": plan.rejection_minutes,
            **{f"strategy.{name}": getattr(plan.strategy, name) for name in _STRATEGY},
            **{name: "\n".join(getattr(plan, name)) for name in _LISTS},
        }
    )
    for at, upgrade in enumerate(plan.upgrades, 1):
        form.values[f"upgrades.{upgrade.component}.package"] = [upgrade.package]
        form.values[f"upgrades.{upgrade.component}.versions"] = ["; ".join(upgrade.versions)]
        form.values[f"upgrades.{upgrade.component}.order"] = [str(at)]
    form.labels = LABELS
    return form


def _local(moment: datetime | None, zone: str) -> str:
    if moment is None:
        return ""
    try:
        local = moment.astimezone(ZoneInfo(zone)) if moment.tzinfo else moment
    except OverflowError:  # it has no year there
        local = moment
    return local.replace(tzinfo=None).isoformat(timespec="seconds" if local.second else "minutes")


def _moment(form: Form, name: str) -> str:
    """What was typed; where that is what the form showed, the moment that it stood for, which may
    have an offset, or be finer."""
    text = form.text(name).strip()
    try:
        known = parsed(form.text("base"))
        moment, zone = known[name], known["timezone"]
        same = zone == form.text("timezone").strip()
        if same and _local(datetime.fromisoformat(moment), zone) == text:
            return str(moment)
    except (Problem, ValueError, TypeError, LookupError, OSError):
        pass  # nothing, or nothing that can be read
    return text


def json_of(form: Form, product: Product | None) -> tuple[dict[str, Any], dict[Place | str, str]]:
    """The plan that *form* describes, as JSON, and the field of each place in it."""
    found: dict[str, Any] = {
        "name": form.text("name"),
        "product": form.text("product"),
        "timezone": form.text("timezone").strip(),
        "mode": form.text("mode"),
        "push": bool(form.text("push")),
        "strategy": {name: number(form.text(f"strategy.{name}")) for name in _STRATEGY},
        "active": False,
        **{name: number(form.text(name)) for name in _NUMBERS},
        **{name: text for name in ("begin", "end") if (text := _moment(form, name))},
        **{name: words(form.text(name)) for name in _LISTS},
    }
    hours = [number(form.text(f"push_hours.{side}")) for side in ("from", "to")]
    if any(hour != "" for hour in hours):
        found["push_hours"] = hours
    chosen = _chosen(form, () if product is None else product.components)
    found["upgrades"] = [
        {
            "component": component,
            "package": form.text(f"upgrades.{component}.package"),
            "versions": words(form.text(f"upgrades.{component}.versions")),
        }
        for component in chosen
    ]
    fields: dict[Place | str, str] = {tuple(name.split(".")): name for name in LABELS}
    fields |= _TOGETHER
    for at, component in enumerate(chosen):
        fields["upgrades", at] = fields["upgrades", at, "package"] = f"upgrades.{component}.package"
        fields["upgrades", at, "versions"] = f"upgrades.{component}.versions"
    return found, fields


def _chosen(form: Form, components: Sequence[Component]) -> list[str]:
    """Components that are to be upgraded, in their order."""
    named = [c.id for c in components if form.text(f"upgrades.{c.id}.package")]

    def place(component: str) -> tuple[float, int]:
        order = number(form.text(f"upgrades.{component}.order"))
        return (order if isinstance(order, int) else len(components) + 1), named.index(component)

    return sorted(named, key=place)


def group_of(field: str) -> str:
    """What a person chooses together, where somebody else has changed the plan meanwhile."""
    first, dot, rest = field.partition(".")
    if first == "upgrades" and dot:
        return f"upgrades.{rest.rpartition('.')[0]}"
    return "push_hours" if first == "push_hours" else field


def components_of(center: Center, product: Product | None) -> list[dict[str, Any]]:
    """The components of *product*, each with the packages that fit it."""
    return [_row(center, component) for component in (product.components if product else ())]


def _row(center: Center, component: Component) -> dict[str, Any]:
    fitting = [package for package in center.packages if package.type is component.type]
    options = [("", "not upgraded")] + [
        (p.name, f"{p.name} ({_from(p.kind, p.source)} to {p.target})") for p in fitting
    ]
    kind = component.type.value
    none = "" if fitting else f"There is no version package for a component of type {kind} yet."
    return {"id": component.id, "type": component.type, "options": options, "none": none}


def _from(kind: Kind, source: str | None) -> str:
    return "full" if kind is Kind.FULL else f"delta, from {source}"

"""``powerloss --list``: the scenarios, and what each one costs."""

from __future__ import annotations

from typing import Any

import click

from mcu_updater.cli import answers
from mcu_updater.powerloss.catalogue import SCENARIOS
from mcu_updater.powerloss.costs import COSTS


def show_scenarios(*, as_json: bool) -> None:
    """A line each. Costs are those of an STM32L476xG with an image of 700 bytes."""
    if as_json:
        answers.result({"scenarios": [_fields(name) for name in SCENARIOS]})
        return
    width = max(map(len, SCENARIOS))
    for name, (what, _) in SCENARIOS.items():
        click.echo(f"{name:<{width}}  {what}\n{'':<{width}}  {_cost(name)}")


def _fields(name: str) -> dict[str, Any]:
    cost = COSTS.get(name)
    known = None if cost is None else {"states": cost.states, "cuts": cost.cuts}
    return {"name": name, "what": SCENARIOS[name][0], "cost": known}


def _cost(name: str) -> str:
    cost = COSTS.get(name)
    if cost is None:
        return "costs: not measured"
    return (
        f"costs: {cost.states:,} states, {cost.cuts:,} cuts, {cost.seconds:g} s (L476, 700 bytes)"
    )

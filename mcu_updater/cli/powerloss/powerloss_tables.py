"""What searches found, as tables for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from flash_emulator import load_part
from flash_emulator.explore.campaign import Campaign, Result
from mcu_updater.cli.screen import console, show_unfolded
from mcu_updater.flash_map.strategies import hazard
from mcu_updater.powerloss.scenario import Scenario

if TYPE_CHECKING:
    from rich.table import Table

_RIGHT = ("states", "boots", "cuts tried", "cuts in a row", "longest boot", "s")
_WIDE = 400
_SHOWN = 3  # counterexamples of one search


def show_results(campaign: Campaign) -> None:
    """Table, findings and the sum of it; a line for each number where the table has no room."""
    table = result_table(campaign)
    screen = console()
    if not sys.stdout.isatty() or _width(table) <= screen.width:
        show_unfolded(table)
    else:
        for line in _narrow(campaign):
            click.echo(line)
    for result in campaign.results:
        if result.report is not None:
            click.echo(f"{result.name}: {result.words}")
        if "left out" in result.facts:
            click.echo(f"{result.name}: left out: {result.facts['left out']}")
    for line in findings(campaign):
        click.echo(line)
    click.echo(str(campaign))


def _width(table: Table) -> int:
    from rich.console import Console

    return Console(width=_WIDE).measure(table).maximum


def _narrow(campaign: Campaign) -> Iterator[str]:
    for result in campaign.results:
        name, verdict, *numbers = _row(result)
        yield f"{name}: {verdict}"
        for label, number in zip(_RIGHT, numbers, strict=False):
            yield f"    {label}: {number}"


def result_table(campaign: Campaign) -> Table:
    """One row a scenario."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    style = {"good": "green", "warn": "yellow", "bad": "red"}
    table.add_column("scenario", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in _RIGHT:
        table.add_column(name, justify="right", no_wrap=True)
    for result in campaign.results:
        name, verdict, *numbers = _row(result)
        table.add_row(name, Text(verdict, style[result.tone]), *numbers)
    return table


def _row(result: Result) -> tuple[str, ...]:
    report = result.report
    if report is None:
        return (result.name, str(result.verdict))
    return (
        result.name,
        str(result.verdict) + (f" ({report.stopped_by})" if report.stopped_by else ""),
        f"{report.states:,}",
        f"{report.boots:,}",
        f"{report.cuts:,}",
        f"{len(report.levels) - 1}",
        f"{report.operations_most:,}",
        f"{report.elapsed_s:.1f}",
    )


def findings(campaign: Campaign) -> Iterator[str]:
    """The shortest counterexamples of each scenario, and how to see them."""
    for result in campaign.results:
        report = result.report
        if report is None:
            yield f"{result.name}: {result.error}"
            continue
        for found in report.violations[:_SHOWN]:
            yield f"{found.tag}: {found.text}"
            yield from (f"    {line}" for line in found.trace.splitlines())
            yield f"    {campaign.replay_command(result, found.path)}"
        if report.violation_count > _SHOWN:
            yield f"    and {report.violation_count - _SHOWN} more"


def comparison_table(
    scenarios: Sequence[Scenario], results: Sequence[Result], option_change_us: int | None = None
) -> Table:
    """For each part what each strategy risks: what the documents say, and what was found."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("part", "strategy", "risk", "window", "explored", "shortest counterexample"):
        table.add_column(name, no_wrap=True)
    for scenario, result in zip(scenarios, results, strict=False):  # not all, if interrupted
        part = load_part(scenario.part)
        risk = hazard(part, scenario.strategy, option_change_us=option_change_us)
        report = result.report
        found = report.violations[0] if report and report.violations else None
        table.add_row(
            part.name,
            scenario.strategy,
            "none" if risk.harmless else "bricks",
            risk.window,
            f"{result.verdict}, {report.states:,} states" if report else result.error,
            f"{found.path}: {found.text.partition(';')[0]}" if found else "none",
        )
    return table

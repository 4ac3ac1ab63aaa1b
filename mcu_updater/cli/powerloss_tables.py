"""What searches found, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from flash_emulator import load_part
from flash_emulator.explore.campaign import Campaign, Result
from mcu_updater.board.strategies import hazard
from mcu_updater.powerloss.scenario import Scenario

_RIGHT = ("states", "boots", "cuts tried", "in a row", "longest boot", "s")
_SHOWN = 3  # counterexamples of one search


def result_table(campaign: Campaign) -> Table:
    """One row a scenario."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in _RIGHT:
        table.add_column(name, justify="right", no_wrap=True)
    for result in campaign.results:
        table.add_row(*_row(result))
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
            yield f"{found.question}: {found.text}"
            yield f"    {campaign.command} {result.replay_id(found.path)}"
        if report.violation_count > _SHOWN:
            yield f"    and {report.violation_count - _SHOWN} more"


def comparison_table(
    scenarios: Sequence[Scenario], results: Sequence[Result], option_change_us: int | None = None
) -> Table:
    """For each part what each strategy risks: what the documents say, and what was found."""
    table = Table(box=None, pad_edge=False)
    for name in ("part", "strategy", "risk", "window", "explored", "shortest counterexample"):
        table.add_column(name, no_wrap=True)
    for scenario, result in zip(scenarios, results, strict=True):
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

"""``mcu-updater doctor``: whether this computer has what the program needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace

import click
from rich.table import Table
from rich.text import Text

from mcu_updater.cli import answers, exits
from mcu_updater.cli.screen import show
from mcu_updater.host.checkup import Check, State, checks

_STYLES = {State.OK: "green", State.NOTE: "dim", State.WARNING: "yellow", State.FAILED: "red"}


_HINTS = {
    "chip cache": ", or give --cache FOLDER",
    "pty": ": --tcp 127.0.0.1:0",
    "serial ports": "; mcu-updater ports lists it",
}
"""By the name of a check."""


@click.command("doctor", short_help="Check this computer: libraries, ports, groups, locale, cache.")
@answers.json_option("One JSON object instead of a table.")
@click.pass_context
def command(ctx: click.Context, /, as_json: bool) -> None:
    """Check Python, libraries, extras, programs, ports, groups, locale and cache; say what to do.

    Changes nothing. Exit code 0 when nothing failed, also with notes (optional, not there) and
    warnings (something will not work); 4 when something that every command needs is missing.
    """
    found = list(map(_with_hint, checks()))
    failed = any(check.state is State.FAILED for check in found)
    if as_json:
        rows = [asdict(check) for check in found]
        answers.result({"event": "doctor", "checks": rows})
    else:
        show(_table(found), Text(f"\n{_sum(found)}"))
    ctx.exit(exits.UNUSABLE if failed else exits.OK)


def _table(found: list[Check]) -> Table:
    """What to do stands below what was found, so that 60 columns will do."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=18)
    table.add_column(overflow="fold")
    for check in found:
        about = check.found if check.state is State.OK else _with_advice(check)
        name = f"{check.subject}: {check.name}" if check.subject.startswith("extra") else check.name
        table.add_row(Text(check.state, style=_STYLES[check.state]), name, about)
    return table


def _with_advice(check: Check) -> str:
    return f"{check.found}\n-> {check.advice}" if check.advice else check.found


def _with_hint(check: Check) -> Check:
    """Checks know what helps, and only here is known by which command and switch."""
    hint = _HINTS.get(check.name)
    return replace(check, advice=f"{check.advice}{hint}") if check.advice and hint else check


def _sum(found: list[Check]) -> str:
    counts = Counter(check.state for check in found)
    said = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    return f"{len(found)} checks: {said}"

"""How far a search is: one line that changes on a terminal, else a line now and then."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator

import click

from flash_emulator.explore import Progress

_TERMINAL_S = 0.1  # between two changes of the line
_LINES_S = 10.0  # between two lines for a log


class ProgressLine:
    """On standard error. ``close`` takes the line away again, where one can."""

    def __init__(self, *, quiet: bool) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._every_s = _TERMINAL_S if self._on_terminal else _LINES_S
        self._quiet = quiet
        self._last_s = time.monotonic() - (self._every_s if self._on_terminal else 0)

    def teller(self, name: str, place: str, limit_s: float | None) -> Callable[[Progress], None]:
        """Of one search; *place*: which of how many it is."""
        head = f"{place} {name}"
        self._show([head, "begins"])

        def tell(now: Progress) -> None:
            self._show([head, *_facts(now, limit_s)])

        return tell

    def _show(self, facts: list[str]) -> None:
        now_s = time.monotonic()
        if self._quiet or now_s - self._last_s < self._every_s:
            return
        self._last_s = now_s
        if self._on_terminal:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\x1b[2K{fitting(facts, width)}", err=True, nl=False)
        else:
            click.echo("; ".join(facts), err=True)

    def close(self) -> None:
        if self._on_terminal and not self._quiet:
            click.echo("\r\x1b[2K", err=True, nl=False)


def _facts(now: Progress, limit_s: float | None) -> Iterator[str]:
    """What matters most comes first; the name of the search may go before all of it."""
    limit = "" if limit_s is None else f" of {limit_s:.0f}"
    yield f"{now.elapsed_s:.0f}{limit} s"
    yield f"{now.states:,} states"
    yield f"{now.level} cuts in a row: {now.done:,} of {now.of:,}"
    yield f"{now.violations:,} found"
    yield f"{now.boots:,} boots"
    yield f"{now.cuts:,} cuts"
    if now.level_left_s is not None:
        yield f"{now.level_left_s:.0f} s left in this level"


def fitting(facts: list[str], width: int) -> str:
    """As many *facts*, from the first on, as *width* has room for; the name at its end."""
    head, *rest = facts
    text = "; ".join([_end_of(head, max(12, width - 40)), *rest])
    while len(text) > width and "; " in text:
        text = text.rpartition("; ")[0]
    return text[:width]


def _end_of(name: str, width: int) -> str:
    return name if len(name) <= width else f"...{name[3 - width :]}"

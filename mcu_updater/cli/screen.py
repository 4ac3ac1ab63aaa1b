"""Where events go: lines and bars for people, JSON lines for programs, or nowhere.

rich takes 40 ms; it is imported where something is drawn.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Protocol

import click

from mcu_updater.cli import answers
from mcu_updater.core import events
from mcu_updater.core.events import Event, Work
from mcu_updater.report.lines import event_json, line_of, plain_line, render_line
from mcu_updater.report.summary import Summary, summary_json, summary_view

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import TaskID

_FILE_WIDTH = 120
_UNFOLDED_WIDTH = 400


class Screen(Protocol):
    """What a session is shown on. *time_us* is the board's time since the session began."""

    def event(self, event: Event, time_us: int) -> None: ...

    def close(self) -> None:
        """No more events come."""

    def note(self, text: str) -> None:
        """Something that only people need to be told."""

    def summary(self, summary: Summary) -> None: ...


def console() -> Console:
    """Standard output, taking text as it is. A file is not folded as early as a screen."""
    from rich.console import Console

    folded = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = None if folded else _FILE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def show_unfolded(renderable: RenderableType) -> None:
    """A table whose lines a program may read: as wide as it is."""
    from rich.console import Console

    Console(width=_UNFOLDED_WIDTH, highlight=False, markup=False, emoji=False).print(renderable)


def show(*renderables: RenderableType) -> None:
    screen = console()
    for renderable in renderables:
        screen.print(renderable)


class HumanScreen:
    """Lines and the final table on stdout, progress bars on stderr while that is a terminal."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._bars = Bars() if sys.stderr.isatty() else None
        self._out = console()
        if self._bars and sys.stdout.isatty():
            self._out = self._bars.console  # one terminal: lines go above the bars

    def event(self, event: Event, time_us: int) -> None:
        if isinstance(event, events.Progress):
            if self._bars:
                self._bars.show(event)
            return
        line = line_of(event)
        if line is None or (line.kind == "decide" and not self._verbose):
            return
        if sys.stdout.isatty():
            self._out.print(render_line(line, time_us))
        else:
            click.echo(plain_line(line, time_us))

    def close(self) -> None:
        if self._bars:
            self._bars.close()
        self._out = console()

    def note(self, text: str) -> None:
        from rich.text import Text

        self._out.print(Text(text), soft_wrap=not sys.stdout.isatty())

    def summary(self, summary: Summary) -> None:
        from rich.text import Text

        view = summary_view(summary)
        if isinstance(view, Text):
            self.note(view.plain)
        else:
            self._out.print(view)


class Bars:
    """One bar for each kind of work; gone when all is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        columns = (
            TextColumn("{task.description:>18}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
        )
        self._progress = Progress(
            *columns,
            console=self.console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[Work, TaskID] = {}
        self._done: dict[Work, int] = {}
        self._earlier: Counter[Work] = Counter()  # of pieces that are behind

    def show(self, progress: events.Progress) -> None:
        task = self._tasks.get(progress.work)
        if task is None:
            self._progress.start()
            task = self._progress.add_task(progress.work, total=None, amount="")
            self._tasks[progress.work] = task
        done = progress.done
        if not progress.total:  # such a count begins anew with every piece
            done += self._before(progress)
        total = progress.total or None
        amount = f"{done} bytes" if total is None else f"{done} of {total} bytes"
        self._progress.update(task, completed=done, total=total, amount=amount)

    def _before(self, progress: events.Progress) -> int:
        """What earlier pieces came to."""
        last = self._done.get(progress.work, 0)
        if progress.done < last:
            self._earlier[progress.work] += last
        self._done[progress.work] = progress.done
        return self._earlier[progress.work]

    def close(self) -> None:
        self._progress.stop()


class JsonScreen:
    """One object a line on stdout."""

    def event(self, event: Event, time_us: int) -> None:
        answers.event(event_json(event, time_us))

    def close(self) -> None: ...

    def note(self, text: str) -> None: ...

    def summary(self, summary: Summary) -> None:
        answers.result(summary_json(summary))


class QuietScreen:
    """Errors only, and those do not come here."""

    def event(self, event: Event, time_us: int) -> None: ...

    def close(self) -> None: ...

    def note(self, text: str) -> None: ...

    def summary(self, summary: Summary) -> None: ...


def open_screen(*, as_json: bool, quiet: bool, verbose: bool) -> Screen:
    if as_json + quiet + verbose > 1:
        raise click.UsageError("--json, --quiet and --verbose are mutually exclusive")
    if as_json:
        return JsonScreen()
    return QuietScreen() if quiet else HumanScreen(verbose=verbose)

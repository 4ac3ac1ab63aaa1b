"""A flasher's progress as bars on standard error."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from mcu_updater.stm32.events import Progress, Stage


class Bars:
    """One bar a stage; gone when all is done."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._progress = RichProgress(
            TextColumn("{task.description:>10}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[Stage, TaskID] = {}

    def show(self, progress: Progress) -> None:
        if progress.stage not in self._tasks:
            self._progress.start()
            self._tasks[progress.stage] = self._progress.add_task(progress.stage)
        self._progress.update(
            self._tasks[progress.stage], completed=progress.done, total=progress.total or None
        )

    def close(self) -> None:
        self._progress.stop()

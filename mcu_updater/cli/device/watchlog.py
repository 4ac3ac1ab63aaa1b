"""The log of a program that runs for months: one line a happening, for people or for programs.

Text: ``2026-01-31T10:57:20.123Z module  10700 plan for STM32 ...``. JSON: the same time under
``time``, and the event's own fields; the watch's own happenings are events with ``text``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import click

from mcu_updater.cli import answers
from mcu_updater.core.events import Decided, Event, Progress
from mcu_updater.report.lines import event_json, line_of
from mcu_updater.report.schema import event_name

_TENTHS = 10


def utc_now() -> datetime:
    return datetime.now(UTC)


class Log(Protocol):
    """Where the watch writes."""

    def event(self, event: Event) -> None:
        """Something that happened in an update."""

    def say(self, name: str, text: str, **fields: object) -> None:
        """Something that happened to the watch; *name* as in ``port-lost``."""


class _Filtered(ABC):
    """Leaves out what nobody reads: steps, unless asked for, and most of the progress."""

    def __init__(self, *, verbose: bool, now: Callable[[], datetime] = utc_now) -> None:
        self._verbose = verbose
        self._now = now
        self._last: tuple[str, int] | None = None

    def event(self, event: Event) -> None:
        if isinstance(event, Progress) and not self._is_new_mark(event):
            return
        if self._verbose or not isinstance(event, Decided):
            self._write(event)

    def _is_new_mark(self, progress: Progress) -> bool:
        """Whether the next tenth of a count whose end is known has been reached."""
        if not progress.total:
            return False
        mark = progress.work, _TENTHS * progress.done // progress.total
        self._last, before = mark, self._last
        return mark != before

    @abstractmethod
    def _write(self, event: Event) -> None: ...

    def _time(self) -> str:
        return f"{self._now():%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


class TextLog(_Filtered):
    def _write(self, event: Event) -> None:
        line = line_of(event)
        if line is not None:
            self._print(line.kind, line.text)
        elif isinstance(event, Progress):
            self._print(event.work, f"{event.done} of {event.total} bytes")

    def say(self, name: str, text: str, **fields: object) -> None:
        del name, fields
        self._print("watch", text)

    def _print(self, kind: str, text: str) -> None:
        click.echo(f"{self._time()} {kind:<8} {' '.join(text.split())}")


class JsonLog(_Filtered):
    """As ``update`` writes them, with the time on the wall."""

    def _write(self, event: Event) -> None:
        fields = event_json(event, 0)
        del fields["time_us"]  # there is a clock on the wall
        self._print(fields)

    def say(self, name: str, text: str, **fields: object) -> None:
        self._print({"event": event_name(name), "text": text, **fields})

    def _print(self, fields: dict[str, Any]) -> None:
        answers.event({"time": self._time(), **fields})

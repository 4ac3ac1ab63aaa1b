"""What changes, for any number of listeners: one look at the files for all of them.

While anybody listens, one task looks PER_SECOND times a second. The newest log lines are kept in
memory, encoded once; who is further behind reads the state file. Without listeners nothing is
looked at, and no file is open.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import takewhile
from typing import TypeVar

from mcu_updater.cloud.center.log_feed import Numbered
from mcu_updater.cloud.center.store import LogLine
from mcu_updater.console.console import Console
from mcu_updater.console.look import Look, Seen

PER_SECOND = 5
KEPT = 4096  # lines in memory, and at most of one look

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log, ready to be sent."""

    number: int
    line: LogLine
    event: bytes


class Feed:
    """For one event loop. A listener joins, then takes ``tick``, looks at ``seen`` and
    ``lines_after``, and waits for the tick; in the end it leaves."""

    def __init__(self, console: Console) -> None:
        self.seen = Seen()
        self.tick = asyncio.Event()
        self.ended = asyncio.Event()
        self._console = console
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._look: Look | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def is_closed(self) -> bool:
        return self.ended.is_set()

    def join(self) -> None:
        """From now on it is looked."""
        self._listeners += 1
        if self._task is None:
            self._look = Look(self._console)
            self._thread = ThreadPoolExecutor(1, "feed")  # SQLite's connections stay in theirs
            self._task = asyncio.create_task(self._run(self._look))

    def leave(self) -> None:
        """The last one ends the looking."""
        self._listeners -= 1
        if self._listeners or self._task is None:
            return
        assert self._thread is not None
        assert self._look is not None
        self._task.cancel()
        self._thread.submit(self._look.close)
        self._thread.shutdown(wait=False)
        self._task = self._thread = self._look = None
        self.seen = Seen()
        self._lines.clear()

    def close(self) -> None:
        """Every listener is to end."""
        self.ended.set()
        self._wake()

    async def lines_after(self, number: int) -> list[Line]:
        """The next ones, or some of them, in their order; none: there are none yet."""
        last, epoch, look = self.seen.last, self.seen.epoch, self._look
        if number >= last or look is None:
            return []
        if self._lines and self._lines[0].number <= number + 1:
            newest = takewhile(lambda line: line.number > number, reversed(self._lines))
            return list(newest)[::-1]
        found = await self._in_thread(lambda: look.lines(number, last))
        return [_line(epoch, one) for one in found]

    async def _run(self, look: Look) -> None:
        while True:
            before = self.seen
            now, new = await self._in_thread(partial(look.again, before, KEPT))
            if now.epoch != before.epoch:
                self._lines.clear()
            self._lines.extend(_line(now.epoch, one) for one in new)
            self.seen = now
            if now != before:
                self._wake()
            if len(new) < KEPT:
                await asyncio.sleep(1 / PER_SECOND)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        assert self._thread is not None
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _wake(self) -> None:
        self.tick.set()
        self.tick = asyncio.Event()


def _line(epoch: str, numbered: Numbered) -> Line:
    number, line = numbered
    fields = {"number": number, **asdict(line)}
    return Line(number, line, event("log", fields, f"{epoch}-{number}"))


def event(kind: str, fields: object, number: str = "") -> bytes:
    """As the HTML standard's server-sent events have it. JSON has no line ends in it."""
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {kind}\ndata: {json.dumps(fields)}\n\n".encode()

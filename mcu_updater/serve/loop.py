"""One thread for any number of modules: it steps those that have bytes, or whose time has come.

What a turn costs depends on what happens in it, not on how many modules there are: descriptors
stay registered (epoll where there is one), and deadlines wait in a heap.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import selectors
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mcu_updater.host.clock import MonotonicClock

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
LONGEST_WAIT_S = 3600.0  # selectors take milliseconds as an int; a look once an hour costs nothing
_FEW = 64  # deadlines that are not worth sorting out


@dataclass(frozen=True, slots=True)
class Wants:
    """What wakes one: events by file descriptor, and a moment (None: no moment).

    *generation* changes when a descriptor is closed: its number may come again for another file.
    """

    events: tuple[tuple[int, int], ...]
    due_s: float | None = None
    generation: int = 0


class Task(Protocol):
    """One that a loop steps."""

    def wants(self) -> Wants: ...

    def step(self, now_s: float) -> None:
        """All that has come and all that is due."""


class Loop:
    """Steps tasks. *every_file*: also regular files may be waited for, which epoll cannot."""

    def __init__(self, clock: MonotonicClock, *, every_file: bool = False) -> None:
        self.clock = clock
        fast = getattr(selectors, "EpollSelector", selectors.PollSelector)
        self._selector = selectors.PollSelector() if every_file else fast()
        self._wants: dict[Task, Wants] = {}
        self._dues: list[tuple[float, int, Task]] = []
        self._order = itertools.count()

    def close(self) -> None:
        self._selector.close()

    def on_readable(self, descriptor: int, call: Callable[[], None]) -> None:
        """Besides the tasks: *call* whenever *descriptor* is readable."""
        self._selector.register(descriptor, READ, call)

    def add(self, task: Task) -> None:
        self._wants[task] = Wants(())
        self.update(task)

    def drop(self, task: Task) -> None:
        """Before its descriptors are closed, or after."""
        self._watch(task, self._wants.pop(task), Wants(()))

    def update(self, task: Task) -> None:
        """Look again at what *task* wants: after every step, and after a change from outside."""
        old, new = self._wants[task], task.wants()
        if (old.events, old.generation) != (new.events, new.generation):
            self._watch(task, old, new)
        if new.due_s is not None and new.due_s != old.due_s:
            heapq.heappush(self._dues, (new.due_s, next(self._order), task))
        self._wants[task] = new
        if len(self._dues) > 2 * len(self._wants) + _FEW:
            self._forget_old_dues()

    def turn(self) -> None:
        """Wait until there is something to do, and do it."""
        woken: dict[Task, None] = {}
        for key, _ in self._selector.select(self._wait_s()):
            if callable(key.data):
                key.data()
            else:
                woken[key.data[0]] = None
        woken.update(dict.fromkeys(self._due_tasks(self.clock.now_s())))
        for task in woken:
            if task in self._wants:
                task.step(self.clock.now_s())
                if task in self._wants:
                    self.update(task)

    def _wait_s(self) -> float:
        while self._dues and not self._is_current(*self._dues[0]):
            heapq.heappop(self._dues)
        if not self._dues:
            return LONGEST_WAIT_S
        left_s = (self._dues[0][0] - self.clock.now_s()) / self.clock.speed
        return max(0.0, min(left_s, LONGEST_WAIT_S))

    def _due_tasks(self, now_s: float) -> Iterator[Task]:
        while self._dues and self._dues[0][0] <= now_s:
            due = heapq.heappop(self._dues)
            if self._is_current(*due):
                self._wants[due[2]] = Wants(
                    self._wants[due[2]].events, None, self._wants[due[2]].generation
                )
                yield due[2]

    def _is_current(self, due_s: float, _: int, task: Task) -> bool:
        wants = self._wants.get(task)
        return wants is not None and wants.due_s == due_s

    def _forget_old_dues(self) -> None:
        """At a limit that every command puts off, the heap would hold each of them."""
        fresh = {due[2]: due for due in self._dues if self._is_current(*due)}
        self._dues = list(fresh.values())
        heapq.heapify(self._dues)

    def _watch(self, task: Task, old: Wants, new: Wants) -> None:
        for descriptor, _ in old.events:
            with contextlib.suppress(KeyError, ValueError):
                if self._selector.get_key(descriptor).data[0] is task:
                    self._selector.unregister(descriptor)
        for descriptor, events in new.events:
            self._selector.register(descriptor, events, (task,))


def soonest(*dues_s: float | None) -> float | None:
    """The first of some moments; None: there is none."""
    known = min((due_s for due_s in dues_s if due_s is not None), default=math.inf)
    return None if known == math.inf else known

"""The loop of served modules: who is stepped, when, and what it forgets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from mcu_updater.host.clock import MonotonicClock
from mcu_updater.serve.loop import READ, Loop, Wants, soonest


class Clock(MonotonicClock):
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 0.0

    def now_s(self) -> float:
        return self.at_s


class Task:
    def __init__(self, *descriptors: int, due_s: float | None = None) -> None:
        self.wanted = Wants(tuple((one, READ) for one in descriptors), due_s)
        self.steps: list[float] = []
        self.next: list[Wants] = []

    def wants(self) -> Wants:
        return self.wanted

    def step(self, now_s: float) -> None:
        self.steps.append(now_s)
        if self.next:
            self.wanted = self.next.pop(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loop(clock: Clock) -> Iterator[Loop]:
    with closing(Loop(clock)) as made:
        yield made


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for pair in made:
        for one in pair:
            one.close()


def test_only_who_has_something_to_do_is_stepped(loop: Loop, pairs):
    tasks = [Task(here.fileno()) for here, _ in pairs]
    late = Task(due_s=5.0)
    for task in (*tasks, late):
        loop.add(task)
    pairs[1][1].send(b"x")
    loop.turn()
    assert [len(task.steps) for task in (*tasks, late)] == [0, 1, 0, 0]


def test_moments_come_in_their_order(loop: Loop, clock: Clock):
    tasks = [Task(due_s=due_s) for due_s in (3.0, 1.0, 2.0)]
    for task in tasks:
        task.next = [Wants(())]
        loop.add(task)
    clock.at_s = 2.5
    loop.turn()
    assert [task.steps for task in tasks] == [[], [2.5], [2.5]]
    clock.at_s = 3.0
    loop.turn()
    assert [task.steps for task in tasks] == [[3.0], [2.5], [2.5]]


def test_a_moment_that_was_put_off_does_not_count(loop: Loop, clock: Clock):
    task, other = Task(due_s=1.0), Task(due_s=4.0)
    other.next = [Wants(())]
    loop.add(task)
    loop.add(other)
    task.wanted = Wants((), 9.0)
    loop.update(task)
    clock.at_s = 5.0
    loop.turn()
    assert (task.steps, other.steps) == ([], [5.0])


def test_moments_that_are_put_off_for_ever_are_forgotten(loop: Loop, clock: Clock):
    task = Task(due_s=1.0)
    loop.add(task)
    for at in range(10_000):
        task.wanted = Wants((), 2.0 + at)
        loop.update(task)
    assert len(loop._dues) < 100
    clock.at_s = 10_001.0
    loop.turn()
    assert len(task.steps) == 1


def test_a_descriptor_that_comes_again_is_waited_for_again(loop: Loop, pairs):
    """The client has gone, and the next one has got its number."""
    (here, _), (other, far), _ = pairs
    task = Task(here.fileno())
    loop.add(task)
    number = here.fileno()
    here.close()
    twin = socket.socket(fileno=socket.dup(other.fileno()))
    assert twin.fileno() == number
    task.wanted = Wants(((number, READ),), generation=1)
    loop.update(task)
    far.send(b"x")
    loop.turn()
    assert len(task.steps) == 1
    twin.close()


def test_who_was_dropped_is_not_stepped_any_more(loop: Loop, pairs):
    task, other = Task(pairs[0][0].fileno(), due_s=0.0), Task(due_s=0.0)
    loop.add(task)
    loop.add(other)
    pairs[0][1].send(b"x")
    loop.drop(task)
    other.next = [Wants(())]
    loop.turn()
    assert (task.steps, other.steps) == ([], [0.0])


def test_soonest():
    assert soonest(3.0, None, 2.0) == 2.0
    assert soonest(None, None) is None

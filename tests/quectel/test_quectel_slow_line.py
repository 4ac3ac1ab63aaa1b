"""A module behind a slow bridge, and a line that gives back what is sent."""

from __future__ import annotations

import random
from collections import deque

import pytest

from mcu_updater.core.errors import LinkError, Remedy
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.link import Dialect
from tests.quectel.quectel_bench import Session


class FarPipe:
    """*delay_s* each way, and up to *jitter_s* more; bytes keep their order."""

    def __init__(self, session: Session, delay_s: float, jitter_s: float = 0.0) -> None:
        self.session, self.delay_s, self.jitter_s = session, delay_s, jitter_s
        self.there: deque[tuple[float, bytes]] = deque()
        self.back: deque[tuple[float, bytes]] = deque()
        self._rng = random.Random(5)

    def _post(self, queue: deque[tuple[float, bytes]], data: bytes, now_s: float) -> None:
        due_s = now_s + self.delay_s + self._rng.uniform(0, self.jitter_s)
        queue.append((max(due_s, queue[-1][0] if queue else 0.0), data))

    def write(self, data: bytes) -> None:
        self._post(self.there, data, self.session.clock.now_s())

    def read(self, timeout_s: float) -> bytes:
        clock, module = self.session.clock, self.session.module
        deadline_s = clock.now_s() + timeout_s
        while True:
            now_s = clock.now_s()
            module.advance(now_s)
            while self.there and self.there[0][0] <= now_s:
                module.receive(self.there.popleft()[1], now_s)
            if said := module.transmit():
                self._post(self.back, said, now_s)
            if self.back and self.back[0][0] <= now_s:
                return self.back.popleft()[1]
            if now_s >= deadline_s:
                return b""
            moments = [queue[0][0] for queue in (self.there, self.back) if queue]
            due_s = module.next_deadline()
            moments += [deadline_s] if due_s is None else [deadline_s, due_s]
            clock.time_s = max(now_s, min(moments))


def far(delay_s: float, jitter_s: float = 0.0, dialect: Dialect | None = None) -> Session:
    session = Session()
    pipe = FarPipe(session, delay_s, jitter_s)
    session.client = type(session.client)(pipe, session.clock, dialect or Dialect())
    return session


@pytest.mark.parametrize("jitter", [0.0, 0.5])
@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.15, 0.4, 1.0, 1.4, 1.6, 2.0, 2.5, 4.0])
def test_a_whole_upgrade_over_a_slow_bridge(delay_s, jitter):
    session = far(delay_s, jitter * delay_s)
    data, _ = session.upgrade()
    assert data == session.plan.package.data


def test_a_link_that_is_slower_still_needs_the_timeout_and_is_told_so():
    with pytest.raises(LinkError) as caught:
        far(20.0).client.connect()
    assert caught.value.remedies == (Remedy.MORE_TIME,)
    session = far(20.0, dialect=Dialect(response_timeout_s=50.0))
    session.client.connect()
    assert session.client.retries == 0


def test_what_was_lost_and_not_late_makes_nobody_wait_longer():
    """A module that is deaf for a while answers as fast as ever when it hears again."""
    session = far(0.05)
    session.client.connect()
    session.module.power_cut(session.clock.now_s())
    session.module.power_on(session.clock.now_s())
    session.client.known_versions()
    assert session.client.retries > 0
    assert session.client._link.extra_s == 0.0


class Loop:
    """TX joined to RX. *module*: and a module that answers beside it."""

    def __init__(self, session: Session | None = None) -> None:
        self.session, self.waiting = session, b""
        self.now = 0.0

    def write(self, data: bytes) -> None:
        self.waiting += data
        if self.session is not None:
            self.session.pipe.write(data)

    def read(self, timeout_s: float) -> bytes:
        data, self.waiting = self.waiting, b""
        if not data and self.session is not None:
            return self.session.pipe.read(timeout_s)
        self.now += 0.0 if data else timeout_s
        return data

    def now_s(self) -> float:
        return self.now

    def sleep(self, duration_s: float) -> None:
        self.now += duration_s


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_own_bytes_that_come_back_are_known_for_what_they_are(line_end):
    loop = Loop()
    client = type(Session().client)(loop, loop, Dialect(line_end=line_end))
    with pytest.raises(LinkError) as caught:
        client.connect()
    said = str(caught.value.message)
    assert "your own bytes come back" in said and "TX joined to RX" in said
    assert "baud" not in said


@pytest.mark.parametrize("module_echoes", [False, True])
def test_an_echo_beside_a_module_that_answers_is_no_matter(module_echoes):
    """A module that echoes, and an adapter that hears itself."""
    session = Session(options=ModuleOptions(echo=module_echoes))
    loop = Loop(session)
    session.client = type(session.client)(loop, session.clock, Dialect(echo=module_echoes))
    data, _ = session.upgrade()
    assert data == session.plan.package.data


def test_silence_is_not_called_an_echo():
    session = far(0.0)
    session.module.power_cut(0.0)
    with pytest.raises(LinkError) as caught:
        session.client.connect()
    assert "own bytes" not in str(caught.value.message)

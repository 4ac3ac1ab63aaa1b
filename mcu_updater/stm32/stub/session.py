"""Requests in order, over a line that damages, loses and doubles bytes: go-back-N, sans I/O.

The work is a generator: it yields batches of requests and is sent their replies, or has
``StubTrouble`` thrown in, after which SYNC must come first. Up to *window* requests are on their
way at once, which hides the latency of a bridge. What else it yields is told to whoever watches.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from mcu_updater.stm32.estimate import BITS_PER_BYTE
from mcu_updater.stm32.events import FlasherEvent
from mcu_updater.stm32.stub.frames import Command, Reply, ReplyReader, Request, Status

T = TypeVar("T")
START_US: Final = 2_000.0
"""What the stub needs to set itself up after Go, and more than that."""
WINDOW: Final = 8  # as many frames as it has room for
QUIET_TRIES: Final = 4
"""So often a request goes out without a word from the stub before it is given up: at half a second
each, and what its work may take."""
_SLACK_US = 500_000.0  # a bridge's latency both ways
_FAILURES = (Status.BAD_DATA, Status.REFUSED, Status.DIFFERS, Status.STOPPED)
_CHANGES = (Command.ERASE, Command.WRITE)


class StubTrouble(Exception):
    """The stub cannot do it; the text says why. The boot ROM may."""


class Silence(StubTrouble):
    """Not a word of the stub, however often it was asked."""


class Noise(StubTrouble):
    """It answers, but what it is sent does not reach it whole."""


@dataclass(frozen=True, slots=True)
class Batch:
    """*requests* are taken one by one, as there is room. After one that failed to change flash no
    more are. *baud*: the speed from now on, None to keep it. *tries*: how often to send what does
    not get through. *on_done*: what to tell of a request that is done."""

    requests: Iterable[Request]
    baud: int | None = None
    tries: int = 12
    on_done: Callable[[Request], FlasherEvent | None] = lambda _: None


Work = Generator[Batch | FlasherEvent, list[Reply], T]


class Session(Generic[T]):
    """One run of *work*. Times are the caller's, in microseconds.

    Call ``wake`` at ``wake_at_us``, the first time too, and ``receive`` with what the line brings;
    send what ``take`` gives, at ``baud``. ``result`` holds what the work returned once ``is_done``.
    What the work raises passes through. ``events`` collects what it tells.
    """

    def __init__(self, work: Work[T], *, baud: int, window: int = WINDOW) -> None:
        self.baud = baud
        self.is_done = False
        self.result: T | None = None
        self.events: list[FlasherEvent] = []
        self.resent_count = 0
        self.turn_count = 0  # times that nothing was left to send before an answer came
        self.wake_at_us = START_US
        self._has_begun = False
        self._work = work
        self._window = window
        self._reader = ReplyReader()
        self._next_seq = 0
        self._out = b""

    # --- the caller's side

    def take(self) -> bytes:
        """Bytes to send now."""
        out, self._out = self._out, b""
        return out

    def receive(self, data: bytes, now_us: float) -> None:
        for reply in self._reader.feed(data):
            if not self.is_done:
                self._take_in(reply, now_us)

    def wake(self, now_us: float) -> None:
        """Begin; later: nothing has come for too long, send again what is not answered."""
        if not self._has_begun:
            self._has_begun = True
            self._resume(now_us, lambda: next(self._work))
            return
        self._stale_count = 0
        self._quiet_count += 1
        self._go_back(now_us)

    # --- batches

    def _resume(self, now_us: float, step: Callable[[], Batch | FlasherEvent]) -> None:
        try:
            yielded = step()
            while not isinstance(yielded, Batch):
                self.events.append(yielded)
                yielded = self._work.send([])
        except StopIteration as end:
            self.is_done, self.result = True, end.value
            return
        self._begin(yielded, now_us)

    def _begin(self, batch: Batch, now_us: float) -> None:
        self.baud = batch.baud or self.baud
        self._batch = batch
        self._source: Iterator[Request] = iter(batch.requests)
        self._queue: list[tuple[int, Request]] = []  # place in the batch, request: those sent, ...
        self._again: list[tuple[int, Request]] = []  # ... and to be asked again behind them
        self._count = 0  # of the batch, so far
        self._first_seq = self._next_seq  # of the queue
        self._sent = self._finished = 0  # of the queue
        self._replies: dict[int, Reply] = {}
        self._tries_left = batch.tries
        self._quiet_count = 0  # wakes in a row
        self._stale_count = 0  # replies still to come to frames that went out in vain
        self._send(now_us)
        if not self._queue:
            self._end(now_us)

    def _pull(self) -> bool:
        """Whether there is another request: it is in the queue now."""
        for request in self._source:
            self._queue.append((self._count, request))
            self._count += 1
            return True
        if self._again:
            self._queue.append(self._again.pop(0))
            return True
        return False

    def _send(self, now_us: float) -> None:
        window = 1 if self._quiet_count else self._window
        while self._sent < self._finished + window:
            if self._sent == len(self._queue) and not self._pull():
                break
            self._out += self._queue[self._sent][1].framed(self._first_seq + self._sent & 0xFF)
            self._sent += 1
        under_way = [request for _, request in self._queue[self._finished : self._sent]]
        size = sum(len(request.arguments) + 10 for request in under_way)
        line_us = size * BITS_PER_BYTE * 1e6 / self.baud
        work_us = sum(request.work_s for request in under_way) * 1e6
        self.wake_at_us = now_us + line_us + work_us + _SLACK_US

    def _go_back(self, now_us: float) -> None:
        self._tries_left -= 1
        if self._quiet_count >= min(QUIET_TRIES, self._batch.tries):
            self._give_up(now_us, Silence("the stub does not answer"))
        elif self._tries_left <= 0:
            self._give_up(now_us, Noise("what the stub is sent does not get through to it whole"))
        else:
            self.resent_count += self._sent - self._finished
            self._sent = self._finished
            self._send(now_us)

    def _give_up(self, now_us: float, trouble: StubTrouble) -> None:
        """Numbers far from those that may still be answered; SYNC begins."""
        self._next_seq = self._first_seq + self._finished + 128 & 0xFF
        self._resume(now_us, lambda: self._work.throw(trouble))

    def _take_in(self, reply: Reply, now_us: float) -> None:
        self._quiet_count = 0
        done = reply.next_seq - self._first_seq - self._finished & 0xFF
        if done > self._sent - self._finished:
            return  # of a time before this batch
        if done:
            self._tries_left = self._batch.tries
            self._settle(done, reply)
        if self._finished == len(self._queue) and not self._pull():
            self._end(now_us)
        elif reply.asks_again and self._stale_count:
            self._stale_count -= 1
        elif reply.asks_again:
            self._stale_count = self._sent - self._finished - 1
            self._go_back(now_us)
        elif done:
            self._send(now_us)

    def _settle(self, done: int, reply: Reply) -> None:
        """*done* more requests are done. Of one whose own reply was lost it is known whether
        something has failed by now; a query is asked again."""
        unseen = Status.STOPPED if reply.tells_failure else Status.OK
        for place in range(self._finished, self._finished + done):
            index, request = self._queue[place]
            seq = self._first_seq + place & 0xFF
            if reply.seq == seq and reply.status is not Status.RESEND:
                self._note(index, request, reply)
            elif request.is_query:
                self._again.append((index, request))
            else:
                self._note(index, request, Reply(seq, reply.next_seq, unseen))
        self._finished += done

    def _note(self, index: int, request: Request, reply: Reply) -> None:
        self._replies[index] = reply
        if request.command in _CHANGES and reply.status in _FAILURES:
            self._source = iter(())
        elif reply.status is Status.OK:
            event = self._batch.on_done(request)
            if event is not None:
                self.events.append(event)

    def _end(self, now_us: float) -> None:
        self._next_seq = self._first_seq + len(self._queue) & 0xFF
        replies = [self._replies[index] for index in sorted(self._replies)]
        self.turn_count += 1
        self._resume(now_us, lambda: self._work.send(replies))

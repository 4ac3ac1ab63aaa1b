"""Requests in order, over a line that damages, loses and doubles bytes: go-back-N, sans I/O.

The work is a generator: it yields batches of requests and is sent their replies, or has ``Silence``
thrown in, after which SYNC must come first. Up to *window* requests are on their way at once, which
hides the latency of a bridge.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.loader_stub.frames import Reply, ReplyReader, Request, Status

T = TypeVar("T")
BITS_PER_BYTE = 11  # 8E1, as the boot ROM has left it
START_US = 2_000.0
"""What the stub needs to set itself up after Go, and more than that."""
_SLACK_US = 500_000.0  # a bridge's latency both ways, and checksums of all flash
_OPERATION_US = 60_000.0  # erase or program of a page, twice the maxima


class Silence(Exception):
    """The stub has not answered, or has not understood, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Batch:
    """*baud*: the speed from now on, None to keep it. *tries*: how often to send without answer."""

    requests: Sequence[Request]
    baud: int | None = None
    tries: int = 12


Work = Generator[Batch, list[Reply], T]


class Session(Generic[T]):
    """One run of *work*. Times are the caller's, in microseconds.

    Call ``wake`` at ``wake_at_us``, the first time too, and ``receive`` with what the line brings;
    send what ``take`` gives, at
    ``baud``. ``result`` holds what the work returned once ``is_done``. What the work raises passes
    through.
    """

    def __init__(self, work: Work[T], *, baud: int, window: int) -> None:
        self.baud = baud
        self.is_done = False
        self.result: T | None = None
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
        self._go_back(now_us)

    # --- batches

    def _resume(self, now_us: float, step: Callable[[], Batch]) -> None:
        try:
            batch = step()
        except StopIteration as end:
            self.is_done, self.result = True, end.value
            return
        self._begin(batch, now_us)

    def _begin(self, batch: Batch, now_us: float) -> None:
        self.baud = batch.baud or self.baud
        self._queue = list(enumerate(batch.requests))  # place in the batch, request
        self._first_seq = self._next_seq  # of the queue
        self._sent = self._finished = 0  # of the queue
        self._replies: dict[int, Reply] = {}
        self._tries = self._tries_left = batch.tries
        self._stale_count = 0  # replies still to come to frames that went out in vain
        self._send(now_us)

    def _send(self, now_us: float) -> None:
        stop = min(len(self._queue), self._finished + self._window)
        for place in range(self._sent, stop):
            self._out += self._queue[place][1].framed(self._first_seq + place & 0xFF)
        self._sent = stop
        under_way = self._queue[self._finished : self._sent]
        size = sum(len(request.arguments) + 10 for _, request in under_way)
        line_us = size * BITS_PER_BYTE * 1e6 / self.baud
        self.wake_at_us = now_us + line_us + len(under_way) * _OPERATION_US + _SLACK_US

    def _go_back(self, now_us: float) -> None:
        self._tries_left -= 1
        if self._tries_left <= 0:  # numbers far from those that may still be answered; SYNC begins
            self._next_seq = self._first_seq + self._finished + 128 & 0xFF
            self._resume(now_us, lambda: self._work.throw(Silence()))
            return
        self.resent_count += self._sent - self._finished
        self._sent = self._finished
        self._send(now_us)

    def _take_in(self, reply: Reply, now_us: float) -> None:
        done = reply.next_seq - self._first_seq - self._finished & 0xFF
        if done > self._sent - self._finished:
            return  # of a time before this batch
        if done:
            self._tries_left = self._tries
            self._settle(done, reply)
        if self._finished == len(self._queue):
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
                self._replies[index] = reply
            elif request.is_query:
                self._queue.append((index, request))
            else:
                self._replies[index] = Reply(seq, reply.next_seq, unseen)
        self._finished += done

    def _end(self, now_us: float) -> None:
        self._next_seq = self._first_seq + len(self._queue) & 0xFF
        replies = [self._replies[index] for index in sorted(self._replies)]
        self.turn_count += 1
        self._resume(now_us, lambda: self._work.send(replies))

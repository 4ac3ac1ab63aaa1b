"""Batches of states: booted here, by an executor, or by processes that tell each other.

What comes of a batch depends on its states, the job and the nodes that are known when it begins:
those of all batches but the last few, which may be under way at the same time. So it never depends
on where it is booted, or how many others are. What the probes found out is shared where it can be:
that only saves time.
"""

from __future__ import annotations

import gc
import pickle
import time
from collections import deque
from collections.abc import Collection, Generator, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from itertools import islice

from flash_emulator.errors import OutsideKey
from flash_emulator.explore import lifeline
from flash_emulator.explore.boots import Worker
from flash_emulator.explore.hanging import hung_expansion
from flash_emulator.explore.probes import Prober
from flash_emulator.explore.report import SelfCheckFailed
from flash_emulator.explore.side_by_side import CutNeverFired
from flash_emulator.explore.states import NODE_SIZE, Expansion, Job, Node, State
from flash_emulator.watchdog import OutOfTime, watching

_PATIENCE_S = 0.25

_KINDS_EVERY = 4  # batches, by the first byte of their first key

SIZE = 48  # states of a batch; what it is, must not depend on the number of workers

Batch = Sequence[State]


@dataclass(frozen=True, slots=True)
class Booted:
    """What came of a batch. *cut_short*: time was up before all of it was booted. *news*: what
    its probes found out, pickled."""

    expansions: list[Expansion]
    cut_short: bool = False
    news: bytes = b""


def boot_all(
    batches: Iterable[Batch],
    nodes: Collection[Node],
    job: Job,
    runner: Prober | Executor,
    ahead: int,
) -> Generator[tuple[int, Booted], None, None]:
    """Sizes and results of *batches*, in their order. Raises OutOfTime.

    *nodes* are those known, in the order in which they came; the caller adds to them what is
    yielded. *ahead*: how many batches are under way at a time beyond one.
    """
    count = len(nodes)
    before = b"".join(nodes)
    under_way: deque[tuple[int, Future[Booted]]] = deque()
    try:
        for batch in batches:
            known = before + b"".join(islice(nodes, count, None))
            under_way.append((len(batch), _begin(runner, job, batch, known)))
            if len(under_way) > ahead:
                yield _first(under_way, runner, job)
        while under_way:
            yield _first(under_way, runner, job)
    finally:
        for _, future in under_way:
            future.cancel()
        if under_way and isinstance(runner, Processes):
            runner.drop()


def _begin(runner: Prober | Executor, job: Job, batch: Batch, known: bytes) -> Future[Booted]:
    match runner:
        case Prober():
            done: Future[Booted] = Future()
            done.set_result(_boot(runner, batch, known))
            return done
        case Processes():
            return runner.boot(job, batch, known)
        case _:
            return runner.submit(elsewhere, job, batch, known)


def _first(
    under_way: deque[tuple[int, Future[Booted]]], runner: Prober | Executor, job: Job
) -> tuple[int, Booted]:
    """Wait for it; it stays under way until it is there."""
    size, future = under_way[0]
    while True:
        try:
            found = future.result(_PATIENCE_S)
            break
        except FutureTimeout:
            if job.until is not None and time.time() > job.until + _PATIENCE_S:
                raise OutOfTime from None
            stuck = runner.stuck(future, job) if isinstance(runner, Processes) else None
            if stuck is not None:
                found = stuck
                break
        except BrokenExecutor as error:
            raise SelfCheckFailed(f"a process that boots states has ended: {error}") from error
    under_way.popleft()
    return size, found


def _boot(prober: Prober, batch: Batch, known: bytes) -> Booted:
    """Boot all states of *batch*, in their order. *known*: the nodes' keys in one string."""
    nodes = (known[at : at + NODE_SIZE] for at in range(0, len(known), NODE_SIZE))
    worker, job, found = (
        Worker(prober, nodes, kinds=_has_kinds(batch)),
        prober.job,
        list[Expansion](),
    )
    until_s = None if job.until is None else time.monotonic() + job.until - time.time()
    try:
        with watching(job.boot_s, until_s):
            for index, state in enumerate(batch):
                lifeline.begun(index)
                found += worker.expand(state)
                if found and found[-1].hung:
                    break
    except OutOfTime:
        return Booted(found, cut_short=True)
    except OutsideKey as error:
        raise SelfCheckFailed(str(error)) from error
    except CutNeverFired as error:
        raise SelfCheckFailed(f"a planned cut did not fire: {error}") from error
    return Booted(found)


def _has_kinds(batch: Batch) -> bool:
    """Whether all kinds of its states are compared with what is booted in their place: behind the
    first cut, and of one batch in a few."""
    first = batch[0]
    return len(first.path.cuts) <= 1 or first.key[0] % _KINDS_EVERY == 0


_probers: dict[str, Prober] = {}
"""In a worker's process: that of the search that it worked for last."""


def elsewhere(job: Job, batch: Batch, known: bytes) -> Booted:
    """Boot a batch in another process."""
    return _boot(_prober_of(job), batch, known)


def _elsewhere_told(job: Job, batch: Batch, known: bytes, news: Sequence[bytes]) -> Booted:
    """The same, and what its probes found out; *news* are what those of others did."""
    prober = _prober_of(job)
    for packed in news:
        prober.learn(pickle.loads(packed))  # noqa: S301 - our own processes
    booted = _boot(prober, batch, known)
    return replace(booted, news=pickle.dumps(prober.take_news(), pickle.HIGHEST_PROTOCOL))


def _prober_of(job: Job) -> Prober:
    if job.name not in _probers:
        _probers.clear()
    prober = _probers.setdefault(job.name, Prober(job))
    prober.job = job  # a later round of the same search
    return prober


def _begin_work(sign: lifeline.Sign) -> None:
    """A worker's first act. Boots leave small cycles, and what is remembered is large: look for
    garbage less often."""
    lifeline.follow_parent(sign)
    gc.set_threshold(20_000, 50, 100)


class _Process:
    """One process, and what it has to do."""

    def __init__(self) -> None:
        self.sign = lifeline.new_sign()
        self.executor = ProcessPoolExecutor(1, initializer=_begin_work, initargs=(self.sign,))
        with lifeline.undisturbed():
            self.executor.submit(int)  # so that it is forked now
        self.under_way: dict[Future[Booted], Batch] = {}
        self.told = 0  # how many news it knows
        self.pulse = lifeline.Pulse(self.sign)

    def forget_done(self) -> None:
        for future in [each for each in self.under_way if each.done()]:
            del self.under_way[future]

    def kill(self) -> None:
        """At once. What it was about to send comes to an end, too: who reads a result that was cut
        short would wait for the rest for ever, since we hold the other end of the pipe as well."""
        results = getattr(self.executor, "_result_queue", None)
        lifeline.kill(self.sign)
        self.executor.shutdown(wait=False, cancel_futures=True)
        if results is not None:
            results._writer.close()  # noqa: SLF001  no public way


class Processes(Executor):
    """*count* processes on this machine, which tell each other what their probes found out.

    As an ordinary executor they take turns. They end with their parent, however it ends.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"{count} processes: expected 1 or more")
        self._each = [_Process() for _ in range(count)]
        self._turn = 0
        self._search = ""  # its name
        self._news: list[tuple[_Process, bytes]] = []  # of that search: by whom, and what

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        self._turn += 1
        return self._each[self._turn % len(self._each)].executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.drop()
        for process in self._each:
            process.executor.shutdown(wait, cancel_futures=cancel_futures)

    def drop(self) -> None:
        """Nobody waits any more for what is under way: end who works on it."""
        for index, process in enumerate(self._each):
            process.forget_done()
            if process.under_way:
                process.kill()
                self._each[index] = _Process()

    def boot(self, job: Job, batch: Batch, known: bytes) -> Future[Booted]:
        """By the process that has the least to do."""
        if job.name != self._search:
            self._search, self._news = job.name, []
            for process in self._each:
                process.told = 0
        for process in self._each:
            process.forget_done()
        process = min(self._each, key=lambda each: len(each.under_way))
        news = self._news_for(process)
        future = process.executor.submit(_elsewhere_told, job, batch, known, news)
        if not process.under_way:
            process.pulse.begin()
        process.under_way[future] = batch
        heard = self._news
        future.add_done_callback(lambda done: _hear(heard, process, done))
        return future

    def stuck(self, future: Future[Booted], job: Job) -> Booted | None:
        """What comes of a batch whose process does not answer, or could not be interrupted: the
        state that it was at never comes to rest. None where it goes on."""
        process = next((each for each in self._each if future in each.under_way), None)
        if process is None or job.boot_s is None or not process.pulse.has_stopped(job.boot_s):
            return None
        batch = process.under_way[future]
        state = batch[min(process.pulse.state, len(batch) - 1)]
        return Booted([hung_expansion(state, job.boot_s)])

    def _news_for(self, process: _Process) -> tuple[bytes, ...]:
        told, process.told = process.told, len(self._news)
        return tuple(news for by, news in self._news[told:] if by is not process)


def _hear(heard: list[tuple[_Process, bytes]], process: _Process, future: Future[Booted]) -> None:
    if not future.cancelled() and future.exception() is None:
        heard.append((process, future.result().news))

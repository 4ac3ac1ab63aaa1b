"""Batches of states: booted here, by an executor, or by processes that tell each other.

What comes of a batch depends on its states, the job and the nodes that are known when it begins:
those of all batches but the last few, which may be under way at the same time. So it never depends
on where it is booted, or how many others are. What the probes found out is shared where it can be:
that only saves time.
"""

from __future__ import annotations

import gc
import pickle
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from itertools import islice

from flash_emulator.explore.boots import Worker
from flash_emulator.explore.probes import Prober
from flash_emulator.explore.report import SelfCheckFailed
from flash_emulator.explore.states import NODE_SIZE, Expansion, Job, Node, State
from flash_emulator.explore.successors import CutNeverFired

SIZE = 48  # states of a batch; what it is, must not depend on the number of workers

Batch = Sequence[State]
Told = tuple[list[Expansion], bytes]


def boot_all(
    batches: Iterable[Batch],
    nodes: Collection[Node],
    job: Job,
    runner: Prober | Executor,
    ahead: int,
) -> Iterator[tuple[int, list[Expansion]]]:
    """Sizes and results of *batches*, in their order.

    *nodes* are those known, in the order in which they came; the caller adds to them what is
    yielded. *ahead*: how many batches are under way at a time beyond one.
    """
    count = len(nodes)
    before = b"".join(nodes)
    under_way: deque[tuple[int, Future[list[Expansion]] | Future[Told]]] = deque()
    try:
        for batch in batches:
            known = before + b"".join(islice(nodes, count, None))
            under_way.append((len(batch), _begin(runner, job, batch, known)))
            if len(under_way) > ahead:
                size, first = under_way.popleft()
                yield size, _expansions(first)
        while under_way:
            size, first = under_way.popleft()
            yield size, _expansions(first)
    finally:
        for _, future in under_way:
            future.cancel()


def _begin(
    runner: Prober | Executor, job: Job, batch: Batch, known: bytes
) -> Future[list[Expansion]] | Future[Told]:
    match runner:
        case Prober():
            done: Future[list[Expansion]] = Future()
            done.set_result(_boot(runner, batch, known))
            return done
        case Processes():
            return runner.boot(job, batch, known)
        case _:
            return runner.submit(elsewhere, job, batch, known)


def _expansions(future: Future[list[Expansion]] | Future[Told]) -> list[Expansion]:
    result = future.result()
    return result[0] if isinstance(result, tuple) else result


def _boot(prober: Prober, batch: Batch, known: bytes) -> list[Expansion]:
    """Boot all states of *batch*, in their order. *known*: the nodes' keys in one string."""
    nodes = (known[at : at + NODE_SIZE] for at in range(0, len(known), NODE_SIZE))
    worker = Worker(prober, nodes)
    try:
        return [expansion for state in batch for expansion in worker.expand(state)]
    except CutNeverFired as error:
        raise SelfCheckFailed(f"a planned cut did not fire: {error}") from error


_probers: dict[str, Prober] = {}
"""In a worker's process: that of the search that it worked for last."""


def elsewhere(job: Job, batch: Batch, known: bytes) -> list[Expansion]:
    """Boot a batch in another process."""
    return _boot(_prober_of(job), batch, known)


def _elsewhere_told(job: Job, batch: Batch, known: bytes, news: Sequence[bytes]) -> Told:
    """The same, and what its probes found out; *news* are what those of others did."""
    prober = _prober_of(job)
    for packed in news:
        prober.learn(pickle.loads(packed))  # noqa: S301 - our own processes
    expansions = _boot(prober, batch, known)
    return expansions, pickle.dumps(prober.take_news(), pickle.HIGHEST_PROTOCOL)


def _prober_of(job: Job) -> Prober:
    if job.name not in _probers:
        _probers.clear()
    return _probers.setdefault(job.name, Prober(job))


def _seldom_collect() -> None:
    """Boots leave small cycles, and what is remembered is large: look for garbage less often."""
    gc.set_threshold(20_000, 50, 100)


class Processes(Executor):
    """*count* processes on this machine, which tell each other what their probes found out.

    As an ordinary executor they take turns.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"{count} processes: expected 1 or more")
        self._each = [ProcessPoolExecutor(1, initializer=_seldom_collect) for _ in range(count)]
        self._turn = 0
        self._search = ""  # its name
        self._under_way: list[list[Future[Told]]] = [[] for _ in range(count)]
        self._news: list[tuple[int, bytes]] = []  # of that search: by which process, and what
        self._told = [0] * count  # how much of it each process knows

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        self._turn += 1
        return self._each[self._turn % len(self._each)].submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for executor in self._each:
            executor.shutdown(wait, cancel_futures=cancel_futures)

    def boot(self, job: Job, batch: Batch, known: bytes) -> Future[Told]:
        """By the process that has the least to do."""
        if job.name != self._search:
            self._search, self._news, self._told = job.name, [], [0] * len(self._each)
        for process, futures in enumerate(self._under_way):
            self._under_way[process] = [future for future in futures if not future.done()]
        process = min(range(len(self._each)), key=lambda each: len(self._under_way[each]))
        news = self._news_for(process)
        future = self._each[process].submit(_elsewhere_told, job, batch, known, news)
        self._under_way[process].append(future)
        heard = self._news
        future.add_done_callback(lambda done: _hear(heard, process, done))
        return future

    def _news_for(self, process: int) -> tuple[bytes, ...]:
        told, self._told[process] = self._told[process], len(self._news)
        return tuple(news for by, news in self._news[told:] if by != process)


def _hear(heard: list[tuple[int, bytes]], process: int, future: Future[Told]) -> None:
    if not future.cancelled() and future.exception() is None:
        heard.append((process, future.result()[1]))

"""Batches of states: booted here, by an executor, or by processes that tell each other.

What comes of a batch depends on its states, the job and the nodes known before its level, never
on where it is booted. What the probes found out is shared where it can be: it only saves time.
"""

from __future__ import annotations

import gc
import pickle
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait

from flash_emulator.explore.boots import Worker
from flash_emulator.explore.probes import Prober
from flash_emulator.explore.report import SelfCheckFailed
from flash_emulator.explore.states import NODE_SIZE, Expansion, Job, Node, State
from flash_emulator.explore.successors import CutNeverFired

SIZE = 48  # states of a batch; what it is, must not depend on the number of workers
_AHEAD = 4  # batches that an executor has at a time, beyond one
_EACH = 2  # batches that each process has at a time

Batch = Sequence[State]


def here(prober: Prober, batch: Batch, known: Iterable[Node]) -> list[Expansion]:
    """Boot all states of *batch*, in their order."""
    worker = Worker(prober, known)
    try:
        return [expansion for state in batch for expansion in worker.expand(state)]
    except CutNeverFired as error:
        raise SelfCheckFailed(f"a planned cut did not fire: {error}") from error


def by_executor(
    executor: Executor, job: Job, batches: Iterable[Batch], known: bytes
) -> Iterator[tuple[int, list[Expansion]]]:
    """Sizes and results of *batches*, in their order."""
    if isinstance(executor, Processes):
        yield from executor.boot(job, batches, known)
        return
    under_way: deque[tuple[int, Future[list[Expansion]]]] = deque()
    try:
        for batch in batches:
            under_way.append((len(batch), executor.submit(elsewhere, job, batch, known)))
            if len(under_way) > _AHEAD:
                size, first = under_way.popleft()
                yield size, first.result()
        for size, future in under_way:
            yield size, future.result()
    finally:
        for _, future in under_way:
            future.cancel()


_probers: dict[str, Prober] = {}
"""In a worker's process: that of the search that it worked for last."""


def elsewhere(job: Job, batch: Batch, known: bytes) -> list[Expansion]:
    """``here``, in another process: *known* are the nodes' keys in one string."""
    return here(_prober_of(job), batch, _unpacked(known))


def _elsewhere_told(
    job: Job, batch: Batch, known: bytes, news: Sequence[bytes]
) -> tuple[list[Expansion], bytes]:
    """The same, and what its probes found out; *news* are what those of others did."""
    prober = _prober_of(job)
    for packed in news:
        prober.learn(pickle.loads(packed))  # noqa: S301 - our own processes
    expansions = here(prober, batch, _unpacked(known))
    return expansions, pickle.dumps(prober.take_news(), pickle.HIGHEST_PROTOCOL)


def _prober_of(job: Job) -> Prober:
    if job.name not in _probers:
        _probers.clear()
    return _probers.setdefault(job.name, Prober(job))


def _unpacked(known: bytes) -> Iterator[Node]:
    return (known[at : at + NODE_SIZE] for at in range(0, len(known), NODE_SIZE))


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
        self._news: list[tuple[int, bytes]] = []  # of that search: by which process, and what
        self._told = [0] * count  # how much of it each process knows

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        self._turn += 1
        return self._each[self._turn % len(self._each)].submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for executor in self._each:
            executor.shutdown(wait, cancel_futures=cancel_futures)

    def boot(
        self, job: Job, batches: Iterable[Batch], known: bytes
    ) -> Iterator[tuple[int, list[Expansion]]]:
        """Sizes and results of *batches*, in their order."""
        if job.name != self._search:
            self._search, self._news, self._told = job.name, [], [0] * len(self._each)
        waiting = deque(enumerate(batches))
        under_way: dict[Future[tuple[list[Expansion], bytes]], tuple[int, int, int]] = {}
        done: dict[int, tuple[int, list[Expansion]]] = {}
        following = 0
        try:
            while waiting or under_way:
                while waiting and (process := self._idlest(under_way.values())) is not None:
                    index, batch = waiting.popleft()
                    args = job, batch, known, self._news_for(process)
                    future = self._each[process].submit(_elsewhere_told, *args)
                    under_way[future] = process, index, len(batch)
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    process, index, size = under_way.pop(future)
                    expansions, news = future.result()
                    self._news.append((process, news))
                    done[index] = size, expansions
                while following in done:
                    yield done.pop(following)
                    following += 1
        finally:
            for future in under_way:
                future.cancel()

    def _idlest(self, under_way: Iterable[tuple[int, int, int]]) -> int | None:
        """The process with the fewest batches; None where all have enough."""
        busy = Counter(process for process, _, _ in under_way)
        process = min(range(len(self._each)), key=lambda process: busy[process])
        return process if busy[process] < _EACH else None

    def _news_for(self, process: int) -> tuple[bytes, ...]:
        told, self._told[process] = self._told[process], len(self._news)
        return tuple(news for by, news in self._news[told:] if by != process)

"""All boots of a search, traced: an observer of the search that has each of them made once more.

    traced = TracedBoots(subject, flash)
    Search(subject, flash, observer=traced, began=traced.begin).run()
    joined = traced.finish()

Boots are traced while the search goes on, here or by an executor. What a boot would do behind the
point where it was joined with another one was traced in that other one: ``Joined`` follows them.
"""

from __future__ import annotations

import pickle
from collections import Counter, deque
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, field

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.explore.contents import DRAWN
from flash_emulator.explore.path import Path
from flash_emulator.explore.report import SelfCheckFailed
from flash_emulator.explore.states import (
    Expansion,
    Job,
    Key,
    Node,
    Segment,
    State,
    start_node,
    state_key,
)
from flash_emulator.machine.coverage.boots import Ran, Request, Rules, Stretch, trace_all
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import Outcome
from flash_emulator.subject import ExternalState, Nothing

_BATCH = 48  # boots
_AHEAD = 8  # batches that nobody has traced yet

Cuts = Counter[Outcome]


@dataclass(frozen=True, slots=True)
class Joined:
    """*ran*: by the node where a stretch begins; *following*: the node where it ends. *starts*: of
    each boot, and whether cuts came before it. *per_operation*: cuts of each operation, by outcome.
    *hung*: boots that never came to rest, which nobody has traced."""

    ran: dict[Node, Ran]
    following: dict[Node, Node | None]
    starts: dict[Node, bool]
    per_operation: Cuts
    hung: int = 0

    def ways(self) -> dict[Node, tuple[Node, ...]]:
        """For each start the nodes that its boot comes by when power stays."""
        return {start: self._way(start) for start in self.starts if start in self.ran}

    def _way(self, start: Node) -> tuple[Node, ...]:
        way: dict[Node, None] = {}
        node: Node | None = start
        while node is not None and node in self.ran and node not in way:
            way[node] = None
            node = self.following[node]
        return tuple(way)


@dataclass(slots=True)
class TracedBoots:
    """See above. *executor*: who traces; None: nobody but us."""

    subject: FirmwareSubject
    flash: EmulatedFlash
    external: ExternalState = field(default_factory=Nothing)
    executor: Executor | None = None
    _job: Job | None = None
    _states: dict[Key, State] = field(default_factory=dict)
    _current: State | None = None
    _requests: list[Request] = field(default_factory=list)
    _under_way: deque[Future[dict[Node, Ran]]] = field(default_factory=deque)
    _asked: set[Node] = field(default_factory=set)
    _ran: dict[Node, Ran] = field(default_factory=dict)
    _following: dict[Node, Node | None] = field(default_factory=dict)
    _starts: dict[Node, bool] = field(default_factory=dict)
    _per_operation: Cuts = field(default_factory=Cuts)
    _hung: int = 0
    _error: SelfCheckFailed | None = None

    def begin(self, job: Job) -> None:
        """A search begins. One that was begun before is void; what ran in a stretch stays true."""
        self._job, self._current, self._hung = job, None, 0
        self._per_operation = _cuts_of_each(job)
        for each in (self._states, self._following, self._starts):
            each.clear()
        flash = self.flash.fork()
        flash.draws_by_place, flash.recalls = True, frozenset(job.decays)
        key = state_key(flash, self.external)
        self._states[key] = State(key, flash, self.external, Path())

    def __call__(self, expansion: Expansion) -> None:
        """One boot of the search, which does not end where this goes wrong: ``finish`` says so."""
        try:
            if self._error is None:
                self._take(expansion)
        except SelfCheckFailed as error:
            self._error = error

    def _take(self, expansion: Expansion) -> None:
        for child in expansion.children:
            self._states.setdefault(child.key, child)
        state = self._state_of(expansion)
        if expansion.hung:
            self._hung += 1
            return
        self._starts[start_node(state.key, expansion.read_choice)] = bool(expansion.path.cuts)
        for segment in expansion.segments:
            if segment.node not in self._following:
                _check(segment, self._per_operation)
                self._following[segment.node] = segment.next
        if not expansion.looked:
            self._ask(state, expansion)

    def _state_of(self, expansion: Expansion) -> State:
        """A state is booted in several ways of reading, one after the other."""
        key, current = expansion.state, self._current
        if current is None or current.key != key:
            current = self._current = self._states.pop(key, None)
        if current is None:
            raise SelfCheckFailed(f"a state is booted that no cut led to: {expansion.path}")
        return current

    def _ask(self, state: State, expansion: Expansion) -> None:
        nodes = {segment.node for segment in expansion.segments}
        if nodes <= self._asked:
            return
        self._asked |= nodes
        stretches = (Stretch(s.node, s.operations, s.next) for s in expansion.segments)
        self._requests.append(Request(state, expansion.read_choice, tuple(stretches)))
        if len(self._requests) >= _BATCH:
            self._send()

    def _send(self) -> None:
        assert self._job is not None
        requests, self._requests = self._requests, []
        rules = Rules(self.subject, self._job.operations)
        if self.executor is None:
            self._ran.update(trace_all(rules, requests))
            return
        # here and now: a search in this process goes on with what these states share with others
        packed = pickle.dumps((rules, requests), pickle.HIGHEST_PROTOCOL)
        self._under_way.append(self.executor.submit(_trace_packed, packed))
        while len(self._under_way) > _AHEAD:
            self._receive()

    def _receive(self) -> None:
        try:
            self._ran.update(self._under_way.popleft().result())
        except BrokenExecutor as error:
            text = f"a process that traces boots has ended: {error}"
            raise SelfCheckFailed(text) from error

    def finish(self) -> Joined:
        """All that was traced. Raises SelfCheckFailed where it is not what the search did."""
        if self._error is not None:
            raise self._error
        if self._requests:
            self._send()
        while self._under_way:
            self._receive()
        ran = {node: self._ran[node] for node in self._following if node in self._ran}
        return Joined(ran, self._following, self._starts, self._per_operation, self._hung)


def _trace_packed(packed: bytes) -> dict[Node, Ran]:
    """In another process."""
    return trace_all(*pickle.loads(packed))  # noqa: S301 - our own processes


def _cuts_of_each(job: Job) -> Cuts:
    """What a search tries at each operation."""
    times = 1 + len(job.decays)
    draws = {outcome: job.draws if outcome in DRAWN else 1 for outcome in job.outcomes}
    return Cuts({outcome: times * count for outcome, count in draws.items()})


def _check(segment: Segment, per_operation: Cuts) -> None:
    """The search counts the same cuts, or what is said of them is not to be believed."""
    counted = Cuts()
    for (_, outcome), count in segment.heat.items():
        counted[outcome] += count
    expected = {outcome: count * segment.operations for outcome, count in per_operation.items()}
    if counted != Cuts(expected):
        raise SelfCheckFailed(f"{segment.operations} operations, and these cuts: {counted}")

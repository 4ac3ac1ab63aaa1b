"""Boots states: what a worker does. From a state to its end, with all its cuts on the way."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Protocol

from flash_emulator.device import EmulatedFlash
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.blame import trace_of
from flash_emulator.explore.contents import DRAWN, Question, Told
from flash_emulator.explore.hidden import what_is_hidden
from flash_emulator.explore.looker import Endless
from flash_emulator.explore.path import Cut, Path
from flash_emulator.explore.probes import Prober
from flash_emulator.explore.reads import Looked, Reads, Ways, powered
from flash_emulator.explore.report import COMES_BACK, SelfCheckFailed
from flash_emulator.explore.side_by_side import Sample, compare
from flash_emulator.explore.states import (
    Edge,
    Expansion,
    Key,
    Node,
    Segment,
    State,
    point_node,
    start_node,
)
from flash_emulator.explore.subject import Boot, Rest, Run, Subject, Violation, ended_in
from flash_emulator.explore.successors import Successor, Successors
from flash_emulator.explore.watchdog import Hung, beat, beat_if_new, calm, calm_if_hung
from flash_emulator.pages import Slice
from flash_emulator.trace import Operation

_RERUN_EVERY = 32  # states, by the first byte of their key; and the first state of all
_ECHO_EVERY = 16  # points at which runs are joined, by the last byte of theirs

_Found = tuple[tuple[Edge, ...], frozenset[Key], frozenset[Question]]
"""Edges, what was dissolved, and what boots behind them ask of units that were not cut there."""
Place = tuple[bytes, tuple[object, ...], tuple[bytes, ...], Operation | None]


class Joined(BaseException):
    """The run has come to where it need not be followed any further."""


class Broken(BaseException):
    """The search itself failed, in the middle of a boot whose handlers must not hide it."""


class Signature(Protocol):
    """What hashlib's objects have."""

    def update(self, data: bytes, /) -> None: ...


class Worker:
    """Boots the states of one batch. *known* are the nodes that need not be gone through again.

    *kinds*: of each kind of states in whose place another is booted, one is compared with it.
    """

    def __init__(self, prober: Prober, known: Iterable[Node], *, kinds: bool = False) -> None:
        self.job = prober.job
        self.known = set(known)
        self._prober = prober
        self._edges: dict[Place, _Found] = {}
        self._sent: set[Key] = set()
        self.sample = Sample(prober.job.subject, kinds=kinds)
        self.told = Told()

    def expand(self, state: State) -> Iterator[Expansion]:
        """Boot *state*; again in other ways of reading where metastable bits were looked at."""
        ways = Ways(self.job.readings)
        for reads in ways:
            node = start_node(state.key, reads)
            if node in self.known:
                continue
            self.known.add(node)
            expansion = Expansion(state.key, reads, state.path, state.sector, [], [])
            try:
                looked = self._boot(state, expansion, node)
            except Hung as hung:
                yield self._hung(expansion, node, hung)
                return
            except HungBehind as behind:
                yield behind.expansion
                return
            ways.looked(reads, looked)
            expansion.told, self.told = self.told, Told()
            expansion.left_out = looked.left_out
            self._compare_pairs(expansion)
            yield expansion

    def _boot(self, state: State, expansion: Expansion, node: Node) -> Looked:
        """What it looked at. Where no probe has seen yet that this boot comes to rest, it first
        is left alone: a boot that does not is cut nowhere."""
        reads, alone = expansion.reads, None
        if not state.path.cuts or not self.job.merge:
            alone = self._alone(state, reads, node)
            if alone.endless:
                most = self.job.operations
                alone.segment.violation = ("live", f"no rest after {most} operations of one boot")
                expansion.segments.append(alone.segment)
                return Looked()
        beat()
        recorder = Recorder(self, expansion, node)
        recorder.run(state, reads)
        if state.key[0] % _RERUN_EVERY == 0 or not state.path.cuts:
            self._compare(expansion, alone or self._alone(state, reads, node))
        return Looked.by(recorder.flash)

    def _alone(self, state: State, reads: Reads, node: Node) -> Echo:
        """The same boot without any cut, up to its first point; in a brute search to its end."""
        beat()
        echo = Echo(node, self.job.operations, to_end=not self.job.merge)
        echo.start(self.job.subject, state, reads)
        return echo

    def _hung(self, expansion: Expansion, node: Node, hung: Hung) -> Expansion:
        """A boot that was interrupted: what it had done so far counts for nothing."""
        calm()
        segment = Segment(node, violation=("live", hung_text(self.job.boot_s)))
        segment.trace = trace_of(hung)
        return replace(expansion, segments=[segment], children=[], echoes=[], hung=True)

    def hung_behind(
        self, flash: EmulatedFlash, boot: Boot, operation: Operation | None, path: Path, at: Cut
    ) -> None:
        """A probe hung behind a cut in *operation*: raises HungBehind for the first that does."""
        calm()
        looks, told, surviving = self._prober.looks, self.told, boot.surviving()
        successors = Successors(self.job, looks, flash, surviving, self.sample, told=told)
        for successor in successors.each(operation):
            cut = _placed(successor.cut, at, operation, Reads.of(flash))
            state = State(successor.key, successor.flash, successor.rest, path.then(cut))
            ways = Ways(self.job.readings)
            for reads in ways:
                beat()
                expansion = Expansion(state.key, reads, state.path, -1, [], [])
                node = start_node(state.key, reads)
                echo = Echo(node, 1 << 60)
                try:
                    echo.start(self.job.subject, state, reads)
                except Hung as hung:
                    raise HungBehind(self._hung(expansion, node, hung)) from None
                ways.looked(reads, Looked.by(echo.flash))

    def _compare(self, first: Expansion, echo: Echo) -> None:
        """The same state again, without its cuts: it must do the same up to the first point."""
        if first.looked:
            return
        if not _is_same(first.segments[0], echo.segment):
            raise _keeps_something(first.path, first.segments[0], echo.segment)
        first.reruns += 1

    def _compare_pairs(self, expansion: Expansion) -> None:
        """States that cuts in this boot left, and what is booted in their place."""
        where = replace(expansion.path, reads=expansion.reads)
        expansion.represented, pairs = self.sample.take()
        for pair in pairs:
            at = f"{where} and a cut {pair.cut}"
            compare(self.job.subject, pair, self.job.operations, at)
            expansion.compared += 1

    def again(self, state: State, first: Stretch) -> None:
        """Boot *state* once more, long after it was booted *first*. Raises SelfCheckFailed."""
        echo = self._alone(state, Reads(), start_node(state.key, Reads()))
        if not _is_same(first, echo.segment) and not echo.endless:
            raise _keeps_something(state.path, first, echo.segment)

    def edges(
        self, flash: EmulatedFlash, boot: Boot, operation: Operation | None, expansion: Expansion
    ) -> tuple[Edge, ...]:
        """All cuts in *operation* (None: before it); new states go into *expansion*.

        The same flash with the same rest has the same successors, so they are worked out once: all
        that decides what a cut leaves is in the place.
        """
        ways = boot.surviving()
        rests = tuple(rest.digest for _, rest in ways)
        place = (flash.state_digest(), flash.settings(), rests, operation)
        found = self._edges.get(place)
        if found is None:
            found = self._edges[place] = self._found(flash, ways, operation, expansion)
        edges, dissolved, late = found
        expansion.dissolved |= dissolved
        expansion.late |= late
        return edges

    def _found(
        self,
        flash: EmulatedFlash,
        ways: Sequence[tuple[str, Rest]],
        operation: Operation | None,
        expansion: Expansion,
    ) -> _Found:
        unknown = tuple(flash.cells.unknown_spans())
        successors = Successors(
            self.job, self._prober.looks, flash, ways, self.sample, told=self.told
        )
        found = successors.still() if operation is None else successors.of(operation)
        edges, late = list[Edge](), set[Question]()
        for successor in found:
            low, high = units = successors.units_of(operation, successor.cut)
            self._send(successor, expansion)
            edges.append(Edge(successor.key, successor.cut, successor.merged, unknown, units))
            late.update(asked for asked in successor.asked if not low <= asked[0] < high)
        return tuple(edges), frozenset(successors.dissolved), frozenset(late)

    def _send(self, successor: Successor, expansion: Expansion) -> None:
        beat()
        if successor.key not in self._sent:
            self._sent.add(successor.key)
            expansion.children.append(State(successor.key, successor.flash, successor.rest, Path()))


class Stretch(Protocol):
    """What a run did up to its first point."""

    @property
    def operations(self) -> int: ...
    @property
    def signature(self) -> bytes: ...
    @property
    def next(self) -> Node | None: ...
    @property
    def end(self) -> str: ...


def _is_same(first: Stretch, again: Stretch) -> bool:
    return (first.operations, first.signature, first.next, first.end) == (
        again.operations,
        again.signature,
        again.next,
        again.end,
    )


def _keeps_something(path: Path, first: Stretch, again: Stretch) -> SelfCheckFailed:
    return SelfCheckFailed(
        f"the same state does not do the same twice, after {path}: "
        f"{first.operations} operations, then {again.operations}; the subject keeps "
        "something beside flash and rest, or draws lots"
    )


class HungBehind(BaseException):
    """A boot behind one of the cuts that were tried never comes to rest: *expansion* says where."""

    def __init__(self, expansion: Expansion) -> None:
        self.expansion = expansion
        super().__init__(str(expansion.path))


def hung_text(boot_s: float | None) -> str:
    """The finding, in words."""
    return f"the boot never comes to rest: it has done nothing new for {boot_s:g} s"


def hung_expansion(state: State, boot_s: float) -> Expansion:
    """Of a state at which a process could not be interrupted."""
    reads = Reads()
    segment = Segment(start_node(state.key, reads), violation=("live", hung_text(boot_s)))
    return Expansion(state.key, reads, state.path, state.sector, [segment], [], hung=True)


def _placed(cut: Cut, at: Cut, operation: Operation | None, reads: Reads) -> Cut:
    """*cut*, which counts from the operation that was cut, as one of its boot."""
    number = at.operation + cut.operation if operation else 0
    return replace(cut, operation=number, moment=at.moment, reads=reads)


class Echo:
    """Follows a boot to its next point or its end, without any cut."""

    flash: EmulatedFlash

    def __init__(self, node: Node, most: int, *, to_end: bool = False) -> None:
        self._most = most
        self._to_end = to_end
        self.segment = Segment(node)
        self.endless = False
        self._done: set[Operation] = set()
        self._signature = blake2b(digest_size=16)

    def start(self, subject: Subject, state: State, reads: Reads) -> None:
        """Follow a boot of *state* from its power-on."""
        self.flash = state.flash  # until there is its twin

        def run() -> None:
            boot = subject.boot(powered(state.flash, reads, self._attach), state.rest)
            self._to_point(boot, boot.run())

        self._guarded(run)

    def go_on(self, flash: EmulatedFlash, boot: Boot, run: Run) -> Segment:
        """Follow a *run* on that has stopped at a point."""
        flash.watch = self._attach(flash)
        self._guarded(lambda: self._to_point(boot, run))
        return self.segment

    def _attach(self, flash: EmulatedFlash) -> Echo:
        self.flash = flash
        return self

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            with what_is_hidden(self):
                run()
        except Endless:
            self.endless = True
        except (Exception, SystemExit, UnknownContent):
            self.segment.next, self.segment.end = None, ""
        finally:
            self.flash.watch = None
        self.segment.signature = self._signature.digest()

    def _to_point(self, boot: Boot, run: Run) -> None:
        passed: set[Node] = set()
        while True:
            try:
                memory = next(run)
            except StopIteration as stop:
                self.segment.end = str(stop.value)
                return
            node = point_node(self.flash, boot.volatile(), memory)
            if not self._to_end:
                self.segment.next = node
                return
            if node in passed:
                raise Violation("live", COMES_BACK)
            passed.add(node)

    def operation(self, operation: Operation) -> None:
        if self.segment.operations + operation.done > self._most:
            raise Endless
        beat_if_new(operation, self._done)
        sign(self._signature, operation)
        self.segment.operations += operation.done

    def moment(self) -> None:
        """No cut, no note."""

    def read(self, offset: int, size: int) -> None:
        """Whoever looks at what is unknown is told so by the device."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """As ``read``."""


def sign(signature: Signature, operation: Operation) -> None:
    """Add *operation* to a signature of operations."""
    text = f"{operation.kind} {operation.address:x} {len(operation.data)} "
    signature.update(text.encode() + operation.data)


class Recorder:
    """Follows one boot: its operations, the cuts in each of them, the points where it can join."""

    flash: EmulatedFlash
    _boot: Boot | None = None

    def __init__(self, worker: Worker, expansion: Expansion, node: Node) -> None:
        self._worker = worker
        self._expansion = expansion
        self._passed: set[Node] = set()
        self._operations = 0
        self._moments = 0
        self._segment = Segment(node)
        self._signature = blake2b(digest_size=16)
        self._before = b""  # digest of the flash before the last operation, until it is judged
        self._joined = False
        self._no_room = False
        self._done: set[Operation] = set()

    def run(self, state: State, reads: Reads) -> None:
        self.flash = state.flash  # until there is its twin
        try:
            with what_is_hidden(self):
                self._start(state, reads)
        except Joined:
            if self._joined:
                self._echo()
        except UnknownContent as unknown:
            calm_if_hung()
            looked = (unknown.offset, unknown.offset + unknown.size)
            self._expansion.looked = frozenset({looked})
        except Endless:
            most = self._worker.job.operations
            self._violated("live", f"no rest after {most} operations of one boot")
        except Violation as violation:
            self._violated(violation.question, violation.text)
        except (Exception, SystemExit) as error:
            self._violated("live", ended_in(error))
            self._segment.trace = trace_of(error)
        finally:
            self.flash.watch = None
            self._close()
        if self._no_room and self._segment.violation is None:
            raise Broken("the subject hides a RecursionError: its last operation was not cut")

    def _start(self, state: State, reads: Reads) -> None:
        flash = powered(state.flash, reads, self._attach)
        self._boot = self._worker.job.subject.boot(flash, state.rest)
        self._run = self._boot.run()
        while True:
            try:
                memory = next(self._run)
            except StopIteration as stop:
                self.flash.cells.halt.check()
                self._segment.end = str(stop.value)
                self._cut(None, Cut())
                return
            self.flash.cells.halt.check()
            self._point(self._boot, memory)

    def _attach(self, flash: EmulatedFlash) -> Recorder:
        self.flash = flash
        return self

    def _echo(self) -> None:
        beat()
        node, most = self._segment.next, self._worker.job.operations
        assert node is not None and self._boot is not None
        echo = Echo(node, most).go_on(self.flash, self._boot, self._run)
        self._expansion.echoes.append(echo)

    def _point(self, boot: Boot, memory: object) -> None:
        """The run can be joined here: with an earlier one, or a later one with it.

        A brute search joins nothing: only where a run comes back to itself, it is left.
        """
        node = point_node(self.flash, boot.volatile(), memory)
        if not self._worker.job.merge:
            if node in self._passed:
                raise Violation("live", COMES_BACK)
            self._passed.add(node)
            return
        self._segment.next = node
        if node in self._worker.known:
            self._joined = node[-1] % _ECHO_EVERY == 0
            raise Joined
        self._close()
        self._worker.known.add(node)
        self._segment = Segment(node)
        self._signature = blake2b(digest_size=16)

    def _judge(self) -> None:
        """Whether the last operation changed anything."""
        self._segment.idle += self._before == self.flash.state_digest()
        self._before = b""

    def _close(self) -> None:
        self._judge()
        self._segment.signature = self._signature.digest()
        self._expansion.segments.append(self._segment)

    def _violated(self, question: str, text: str) -> None:
        self._segment.violation = (question, text)

    # --- Watch

    def read(self, offset: int, size: int) -> None:
        """Whoever looks at what is unknown is told so by the device."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """It is noted: cuts must leave what boots ask for."""
        del never
        self._segment.asked.add((unit, wanted))

    def operation(self, operation: Operation) -> None:
        if self._operations + operation.done > self._worker.job.operations:
            raise Endless
        beat_if_new(operation, self._done)
        self._count(operation)
        self._judge()
        self._before = self.flash.state_digest()
        self._cut(operation, Cut(self._operations))
        self._operations += operation.done
        self._segment.operations += operation.done

    def moment(self) -> None:
        """The subject says that power may go here, between two operations."""
        self._moments += 1
        self._cut(None, Cut(moment=self._moments))

    def _count(self, operation: Operation) -> None:
        sign(self._signature, operation)
        sector = self._sector_of(operation)
        times = 1 + len(self._worker.job.decays)
        for outcome in self._worker.job.outcomes:
            draws = self._worker.job.draws if outcome in DRAWN else 1
            self._segment.heat[sector, outcome] += operation.done * times * draws

    def _cut(self, operation: Operation | None, at: Cut) -> None:
        """Note all edges; *at* is where they are, but for the unit."""
        if self._boot is None:
            raise Broken("the subject does operations in boot(), before run(): they are not cut")
        try:
            self._note_edges(self._boot, operation, at)
        except UnknownContent as unknown:
            text = f"the subject's representative looks at what is forgotten: {unknown}"
            raise Broken(text) from unknown
        except RecursionError:  # the subject's: there is no room left to cut on top of it
            self._no_room = True
            raise
        except Hung:
            self._worker.hung_behind(self.flash, self._boot, operation, self._expansion.path, at)
            raise
        except Exception as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    def _note_edges(self, boot: Boot, operation: Operation | None, at: Cut) -> None:
        first, edges = len(self._expansion.children), self._segment.edges
        begin, reads = len(edges), Reads.of(self.flash)
        for edge in self._worker.edges(self.flash, boot, operation, self._expansion):
            cut = _placed(edge.cut, at, operation, reads)
            edges.append(replace(edge, cut=cut))
        cuts = {edge.key: edge.cut for edge in reversed(edges[begin:])}
        sector = -1 if operation is None else self._sector_of(operation)
        for child in self._expansion.children[first:]:
            child.path = self._expansion.path.then(cuts[child.key])
            child.sector = sector

    def _sector_of(self, operation: Operation) -> int:
        starts = list(self.flash.part.sector_starts)
        return starts[bisect_right(starts, self.flash.array_offset(operation.address)) - 1]

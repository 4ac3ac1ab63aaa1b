"""Boots states: what a worker does. From a state to its end, with all its cuts on the way."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Protocol

from flash_emulator.device import EmulatedFlash
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.looker import Endless
from flash_emulator.explore.path import Cut, Path
from flash_emulator.explore.probes import Prober
from flash_emulator.explore.reads import Looked, Reads, Ways, powered
from flash_emulator.explore.report import SelfCheckFailed
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
from flash_emulator.explore.subject import Boot, Run, Violation
from flash_emulator.explore.successors import Successor, Successors
from flash_emulator.pages import Slice
from flash_emulator.trace import Operation

_RERUN_EVERY = 32  # states, by the first byte of their key; and the first state of all
_ECHO_EVERY = 16  # points at which runs are joined, by the last byte of theirs

Place = tuple[bytes, tuple[bytes, ...], Operation | None]


class Joined(BaseException):
    """The run has come to where it need not be followed any further."""


class Broken(BaseException):
    """The search itself failed, in the middle of a boot whose handlers must not hide it."""


class Signature(Protocol):
    """What hashlib's objects have."""

    def update(self, data: bytes, /) -> None: ...


class Worker:
    """Boots the states of one batch. *known* are the nodes that need not be gone through again."""

    def __init__(self, prober: Prober, known: Iterable[Node]) -> None:
        self.job = prober.job
        self.known = set(known)
        self._prober = prober
        self._edges: dict[Place, tuple[Edge, ...]] = {}
        self._sent: set[Key] = set()

    def expand(self, state: State) -> Iterator[Expansion]:
        """Boot *state*; again in other ways of reading where metastable bits were looked at."""
        ways = Ways(self.job.readings)
        for reads in ways:
            node = start_node(state.key, reads)
            if node in self.known:
                continue
            self.known.add(node)
            flash = powered(state.flash, reads)
            expansion = Expansion(state.key, reads, state.path, state.sector, [], [])
            boot = self.job.subject.boot(flash, state.rest)
            Recorder(self, flash, boot, expansion, node).run()
            if state.key[0] % _RERUN_EVERY == 0 or not state.path.cuts:
                self._rerun(state, expansion)
            looked = Looked.by(flash)
            ways.looked(reads, looked)
            expansion.left_out = looked.left_out
            yield expansion

    def _rerun(self, state: State, first: Expansion) -> None:
        """The same state again, without its cuts: it must do the same up to the first point."""
        if first.looked:
            return
        flash = powered(state.flash, first.reads)
        boot = self.job.subject.boot(flash, state.rest)
        segment = first.segments[0]
        again = Echo(flash, boot, segment.node, self.job.operations).run()
        if (again.operations, again.signature, again.next, again.end) != (
            segment.operations,
            segment.signature,
            segment.next,
            segment.end,
        ):
            raise SelfCheckFailed(
                f"the same state does not do the same twice, after {first.path}: "
                f"{segment.operations} operations, then {again.operations}; the subject keeps "
                "something beside flash and rest, or draws lots"
            )
        first.reruns += 1

    def edges(
        self, flash: EmulatedFlash, boot: Boot, operation: Operation | None, expansion: Expansion
    ) -> tuple[Edge, ...]:
        """All cuts in *operation* (None: before it); new states go into *expansion*.

        The same flash with the same rest has the same successors, so they are worked out once.
        """
        ways = boot.surviving()
        place = (flash.digest(), tuple(rest.digest for _, rest in ways), operation)
        edges = self._edges.get(place)
        if edges is None:
            successors = Successors(self.job, self._prober.looks, flash, ways)
            found = successors.still() if operation is None else successors.of(operation)
            edges = tuple(self._edge(successor, expansion) for successor in found)
            self._edges[place] = edges
        return edges

    def _edge(self, successor: Successor, expansion: Expansion) -> Edge:
        if successor.key not in self._sent:
            self._sent.add(successor.key)
            expansion.children.append(State(successor.key, successor.flash, successor.rest, Path()))
        return Edge(successor.key, successor.cut, successor.merged)


class Echo:
    """Follows a boot to its next point or its end, without any cut."""

    def __init__(self, flash: EmulatedFlash, boot: Boot, node: Node, most: int) -> None:
        self._flash = flash
        self._boot = boot
        self._most = most
        self._segment = Segment(node)
        self._signature = blake2b(digest_size=16)

    def run(self, run: Run | None = None) -> Segment:
        """From the start, or on with a *run* that has stopped at a point."""
        self._flash.watch = self
        run = run or self._boot.run()
        try:
            memory = next(run)
            self._segment.next = point_node(self._flash, self._boot.volatile(), memory)
        except StopIteration as stop:
            self._segment.end = str(stop.value)
        except (Exception, Endless, UnknownContent):
            self._segment.end = ""
        finally:
            self._flash.watch = None
        self._segment.signature = self._signature.digest()
        return self._segment

    def operation(self, operation: Operation) -> None:
        if self._segment.operations + operation.done > self._most:
            raise Endless
        sign(self._signature, operation)
        self._segment.operations += operation.done

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

    def __init__(
        self, worker: Worker, flash: EmulatedFlash, boot: Boot, expansion: Expansion, node: Node
    ) -> None:
        self._worker = worker
        self._flash = flash
        self._boot = boot
        self._expansion = expansion
        self._operations = 0
        self._moments = 0
        self._segment = Segment(node)
        self._signature = blake2b(digest_size=16)
        self._before = b""  # digest of the flash before the last operation, until it is judged
        self._joined = False
        self._starts = list(flash.part.sector_starts)

    def run(self) -> None:
        self._flash.watch = self
        run = self._boot.run()
        try:
            self._follow(run)
        except Joined:
            if self._joined:
                self._echo(run)
        except UnknownContent as unknown:
            looked = (unknown.offset, unknown.offset + unknown.size)
            self._expansion.looked = frozenset({looked})
        except Endless:
            most = self._worker.job.operations
            self._violated("live", f"no rest after {most} operations of one boot")
        except Violation as violation:
            self._violated(violation.question, violation.text)
        except Exception as error:
            self._violated("live", f"the boot ended in {type(error).__name__}: {error}")
        finally:
            self._flash.watch = None
            self._close()

    def _follow(self, run: Run) -> None:
        while True:
            try:
                memory = next(run)
            except StopIteration as stop:
                self._segment.end = str(stop.value)
                self._cut(None, Cut())
                return
            self._point(memory)

    def _echo(self, run: Run) -> None:
        node, most = self._segment.next, self._worker.job.operations
        assert node is not None
        echo = Echo(self._flash, self._boot, node, most).run(run)
        self._expansion.echoes.append(echo)

    def _point(self, memory: object) -> None:
        """The run can be joined here: with an earlier one, or a later one with it."""
        node = point_node(self._flash, self._boot.volatile(), memory)
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
        self._segment.idle += self._before == self._flash.digest()
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
        """As ``read``."""

    def operation(self, operation: Operation) -> None:
        if self._operations + operation.done > self._worker.job.operations:
            raise Endless
        self._count(operation)
        self._judge()
        self._before = self._flash.digest()
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
        for outcome in self._worker.job.outcomes:
            self._segment.heat[sector, outcome] += operation.done

    def _cut(self, operation: Operation | None, at: Cut) -> None:
        """Note all edges; *at* is where they are, but for the unit."""
        try:
            self._note_edges(operation, at)
        except Exception as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    def _note_edges(self, operation: Operation | None, at: Cut) -> None:
        first, edges = len(self._expansion.children), self._segment.edges
        begin, reads = len(edges), Reads.of(self._flash)
        for edge in self._worker.edges(self._flash, self._boot, operation, self._expansion):
            number = at.operation + edge.cut.operation if operation else 0
            cut = Cut(number, edge.cut.outcome, at.moment, edge.cut.way, reads)
            edges.append(Edge(edge.key, cut, edge.merged))
        cuts = {edge.key: edge.cut for edge in reversed(edges[begin:])}
        sector = -1 if operation is None else self._sector_of(operation)
        for child in self._expansion.children[first:]:
            child.path = self._expansion.path.then(cuts[child.key])
            child.sector = sector

    def _sector_of(self, operation: Operation) -> int:
        offset = operation.address - self._flash.part.base
        return self._starts[bisect_right(self._starts, offset) - 1]

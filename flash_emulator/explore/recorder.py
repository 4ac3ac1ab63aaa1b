"""Follows one boot, and cuts it everywhere."""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b

from flash_emulator.array.pages import Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.blame import trace_of
from flash_emulator.explore.contents import DRAWN
from flash_emulator.explore.echo import Echo, sign
from flash_emulator.explore.edges import Edges, placed
from flash_emulator.explore.hidden import what_is_hidden
from flash_emulator.explore.path import Cut
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.read_tracker import Endless
from flash_emulator.explore.report import COMES_BACK
from flash_emulator.explore.states import Edge, Expansion, Node, Segment, State, point_node
from flash_emulator.subject import Boot, Violation, ended_in
from flash_emulator.watchdog import Hung, beat, beat_if_new, calm_if_hung, heed

_ECHO_EVERY = 16  # points at which runs are joined, by the last byte of theirs


class Joined(BaseException):
    """The run has come to where it need not be followed any further."""


class Broken(BaseException):
    """The search itself failed, in the middle of a boot whose handlers must not hide it."""


class Recorder:
    """Follows one boot: its operations, the cuts in each of them, the points where it can join."""

    flash: EmulatedFlash
    _boot: Boot | None = None

    def __init__(self, edges: Edges, known: set[Node], expansion: Expansion, node: Node) -> None:
        """*known*: nodes that need not be gone through again; those of this boot are added."""
        self._edges = edges
        self._job = edges.job
        self._known = known
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
        self._place = 0

    def run(self, state: State, read_choice: ReadChoice) -> None:
        self.flash = state.flash  # until there is its twin
        try:
            with what_is_hidden(self):
                self._start(state, read_choice)
        except Joined:
            if self._joined:
                self._echo()
        except UnknownContent as unknown:
            calm_if_hung()
            looked = (unknown.offset, unknown.offset + unknown.size)
            self._expansion.looked = frozenset({looked})
        except Endless:
            most = self._job.operations
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

    def _start(self, state: State, read_choice: ReadChoice) -> None:
        flash = powered(state.flash, read_choice, self._attach)
        self._boot = self._job.subject.boot(flash, state.external)
        self._run = self._boot.run()
        while True:
            try:
                memory = next(self._run)
            except StopIteration as stop:
                self.flash.cells.halt.check()
                self._segment.end = str(stop.value)
                if self._is_cut(None):
                    self._cut(None, Cut())
                return
            self.flash.cells.halt.check()
            heed()
            self._point(self._boot, memory)

    def _attach(self, flash: EmulatedFlash) -> Recorder:
        self.flash = flash
        return self

    def _echo(self) -> None:
        beat()
        node, most = self._segment.next, self._job.operations
        assert node is not None and self._boot is not None
        echo = Echo(node, most).go_on(self.flash, self._boot, self._run)
        self._expansion.echoes.append(echo)

    def _point(self, boot: Boot, memory: object) -> None:
        """The run can be joined here: with an earlier one, or a later one with it.

        A brute search joins nothing: only where a run comes back to itself, it is left.
        """
        node = point_node(self.flash, boot.volatile(), memory)
        if not self._job.merge:
            if node in self._passed:
                raise Violation("live", COMES_BACK)
            self._passed.add(node)
            return
        self._segment.next = node
        if node in self._known:
            self._joined = node[-1] % _ECHO_EVERY == 0
            raise Joined
        self._close()
        self._known.add(node)
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
        if self._operations + operation.done > self._job.operations:
            raise Endless
        beat_if_new(operation, self._done)
        sign(self._signature, operation)
        is_cut = self._is_cut(operation)
        if is_cut:
            self._count(operation)
        self._judge()
        self._before = self.flash.state_digest()
        if is_cut:
            self._cut(operation, Cut(self._operations))
        self._operations += operation.done
        self._segment.operations += operation.done

    def moment(self) -> None:
        """The subject says that power may go here, between two operations."""
        self._moments += 1
        if self._is_cut(None):
            self._cut(None, Cut(moment=self._moments))

    def _count(self, operation: Operation) -> None:
        sector = self._sector_of(operation)
        times = 1 + len(self._job.decays)
        for outcome in self._job.outcomes:
            draws = self._job.draws if outcome in DRAWN else 1
            self._segment.heat[sector, outcome] += operation.done * times * draws

    def _is_cut(self, operation: Operation | None) -> bool:
        """Whether this place is one of those that are asked for; what is left out is noted."""
        expansion, place = self._expansion, self._place
        self._place += 1
        cuts = len(expansion.path.cuts)
        is_cut = self._job.is_cut(cuts, place)
        if not cuts:
            expansion.places = self._place
            if not is_cut and operation is not None:
                self._leave(self._operations + 1, self._operations + operation.done)
        return is_cut

    def _leave(self, first: int, last: int) -> None:
        uncut = self._expansion.uncut
        if uncut and uncut[-1][1] + 1 == first:
            first = uncut.pop()[0]
        uncut.append((first, last))

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
            self._edges.hung_behind(self.flash, self._boot, operation, self._expansion.path, at)
            raise
        except Exception as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    def _note_edges(self, boot: Boot, operation: Operation | None, at: Cut) -> None:
        first, edges = len(self._expansion.children), self._segment.edges
        begin, read_choice = len(edges), ReadChoice.of(self.flash)
        for edge in self._edges.of(self.flash, boot, operation, self._expansion):
            cut = placed(edge.cut, at, operation, read_choice)
            edges.append(Edge(edge.key, cut, edge.merged, edge.unknown, edge.units))
        cuts = {edge.key: edge.cut for edge in reversed(edges[begin:])}
        sector = -1 if operation is None else self._sector_of(operation)
        for child in self._expansion.children[first:]:
            child.path = self._expansion.path.then(cuts[child.key])
            child.sector = sector

    def _sector_of(self, operation: Operation) -> int:
        starts = list(self.flash.part.sector_starts)
        return starts[bisect_right(starts, self.flash.array_offset(operation.address)) - 1]

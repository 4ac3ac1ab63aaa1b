"""Boots that a search has made, made once more without cuts, on a machine that is traced.

A boot is followed as far as the search followed it: from a state to its end, or to the point where
it was joined with another boot, which was followed from there on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from flash_emulator.array.pages import Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.read_tracker import Endless
from flash_emulator.explore.report import SelfCheckFailed
from flash_emulator.explore.states import Node, State, point_node
from flash_emulator.machine.coverage.tracing import Trace, Tracer
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.subject import FirmwareSubject

Done = Counter[tuple[int, str]]
"""Flash operations by PC and kind; each unit of a program is one."""

_traced: dict[object, list[tuple[Machine, Tracer]]] = {}
"""Machines of this process that trace, by what they are made of: an engine gives no memory back."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of a boot, as the search followed it: from a node on, so many operations, up to the next node
    or the end."""

    node: Node
    operations: int
    next: Node | None


@dataclass(frozen=True, slots=True)
class Request:
    """A boot that the search has made."""

    state: State
    read_choice: ReadChoice
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """What ran in a stretch, and the operations that it did."""

    trace: Trace
    done: Done


@dataclass(frozen=True, slots=True)
class Rules:
    """Of the search: what it boots, and the most *operations* of one boot."""

    subject: FirmwareSubject
    operations: int


def trace_all(rules: Rules, requests: Sequence[Request]) -> dict[Node, Ran]:
    """What ran in each stretch of these boots. Raises SelfCheckFailed where a boot does not do what
    it did in the search."""
    found: dict[Node, Ran] = {}
    for request in requests:
        found.update(_Follower(rules, request).follow())
    return found


@dataclass(frozen=True)
class _Traced(FirmwareSubject):
    """Booted on the *given* machine."""

    given: Machine = field(kw_only=True)

    def a_machine(self) -> AbstractContextManager[Machine]:
        return nullcontext(self.given)


@contextmanager
def _a_machine(subject: FirmwareSubject) -> Iterator[tuple[Machine, Tracer]]:
    idle = _traced.setdefault(subject.board.machine_key, [])
    if idle:
        machine, tracer = idle.pop()
    else:
        machine = subject.board.machine()
        tracer = Tracer(machine)
    try:
        yield machine, tracer
    finally:
        idle.append((machine, tracer))


@dataclass(slots=True)
class _Follower:
    """Follows one boot; it is the flash's watch."""

    rules: Rules
    request: Request
    flash: EmulatedFlash = field(init=False)
    machine: Machine = field(init=False)
    done: Done = field(default_factory=Done)
    found: dict[Node, Ran] = field(default_factory=dict)
    operations: int = 0  # of the boot
    behind: int = 0  # how many of them are those of stretches before this one

    def follow(self) -> dict[Node, Ran]:
        subject = self.rules.subject.unit_by_unit
        with _a_machine(subject) as (self.machine, tracer):
            tracer.begin()
            traced = _Traced(subject.board, subject.symbols, given=self.machine)
            self._follow(traced, tracer)
        return self.found

    def _follow(self, subject: FirmwareSubject, tracer: Tracer) -> None:
        try:
            if self._to_last_point(subject, tracer):
                return
        except SelfCheckFailed:
            raise
        except Endless:
            """Units, one by one, come closer to the limit than the search has."""
            self._keep(tracer.take_last())
            return
        except (Exception, SystemExit, UnknownContent):
            """The search has judged it."""
        self._take(tracer.take_last(), None)

    def _to_last_point(self, subject: FirmwareSubject, tracer: Tracer) -> bool:
        """Whether the boot was joined with another there; else it has come to its end."""
        state, stretches = self.request.state, self.request.stretches
        flash = powered(state.flash, self.request.read_choice, self._attach)
        boot, passed = subject.boot(flash, state.external), set[Node]()
        for memory in boot.run():
            node = point_node(flash, boot.volatile(), memory)
            if stretches[-1].next is None and len(stretches) == len(self.found) + 1:
                if node in passed:
                    return False
                passed.add(node)
                continue
            self._take(tracer.take(), node)
            if len(self.found) == len(stretches):
                return True
        return False

    def _take(self, trace: Trace, node: Node | None) -> None:
        stretch, operations = self._stretch, self.operations - self.behind
        if (operations, node) != (stretch.operations, stretch.next):
            raise SelfCheckFailed(
                f"a boot that is traced does not do what it did in the search, after "
                f"{self.request.state.path}: {stretch.operations} operations, then {operations}"
            )
        self._keep(trace)

    def _keep(self, trace: Trace) -> None:
        self.found[self._stretch.node] = Ran(trace, self.done)
        self.done, self.behind = Done(), self.operations

    @property
    def _stretch(self) -> Stretch:
        """That which is under way."""
        return self.request.stretches[len(self.found)]

    def _attach(self, flash: EmulatedFlash) -> _Follower:
        self.flash = flash
        return self

    # --- Watch

    def read(self, offset: int, size: int) -> None:
        """Whoever looks at what is unknown is told so by the device."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """That was judged in the search."""

    def operation(self, operation: Operation) -> None:
        if self.operations + operation.done > self.rules.operations:
            raise Endless
        self.operations += operation.done
        room = self._stretch.operations - self.done.total()
        self.done[self.machine.pc(), operation.kind] += min(operation.done, room)

    def moment(self) -> None:
        """Between two operations nothing is programmed or erased."""

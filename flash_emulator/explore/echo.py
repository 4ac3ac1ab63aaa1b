"""A boot that is followed without any cut: to its next point, or to its end."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol

from flash_emulator.array.pages import Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.hidden import what_is_hidden
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.read_tracker import Endless
from flash_emulator.explore.report import COMES_BACK
from flash_emulator.explore.states import Node, Segment, State, point_node
from flash_emulator.subject import Boot, Run, Subject, Violation
from flash_emulator.watchdog import beat_if_new, heed


class Signature(Protocol):
    """What hashlib's objects have."""

    def update(self, data: bytes, /) -> None: ...


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


def is_same(first: Stretch, again: Stretch) -> bool:
    return (first.operations, first.signature, first.next, first.end) == (
        again.operations,
        again.signature,
        again.next,
        again.end,
    )


def sign(signature: Signature, operation: Operation) -> None:
    """Add *operation* to a signature of operations."""
    text = f"{operation.kind} {operation.address:x} {len(operation.data)} "
    signature.update(text.encode() + operation.data)


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

    def start(self, subject: Subject, state: State, read_choice: ReadChoice) -> None:
        """Follow a boot of *state* from its power-on."""
        self.flash = state.flash  # until there is its twin

        def run() -> None:
            boot = subject.boot(powered(state.flash, read_choice, self._attach), state.external)
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
            heed()
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

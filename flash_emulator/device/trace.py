"""What is done to a flash: who watches it, and operations to print, compare and do again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

from flash_emulator.power import Outcome

if TYPE_CHECKING:
    from flash_emulator.array.halt import Halt
    from flash_emulator.array.pages import Slice
    from flash_emulator.device.flash import EmulatedFlash


@dataclass(frozen=True, slots=True)
class Operation:
    """One call that reached the array. *address* is physical: as no bank alias were in force.

    A bulk program is one entry; *done* units of it completed. *outcome* is set when it was cut.
    *fast*: a program that verified nothing (FSTPG).
    """

    kind: str  # "program", "erase", "bank erase", "mass erase", "options"
    address: int
    data: bytes = b""
    done: int = 1
    outcome: Outcome | None = None
    fast: bool = False

    def __str__(self) -> str:
        place = f"0x{self.address >> 16:04X}_{self.address & 0xFFFF:04X}"
        size = f", {len(self.data)} bytes" if self.data else ""
        cut = f"; CUT, {self.outcome}" if self.outcome else ""
        return f"{'fast ' if self.fast else ''}{self.kind} {place}{size}{cut}"


class Watch(Protocol):
    """Told what is about to happen in the array; see ``flash_emulator.explore``."""

    def read(self, offset: int, size: int) -> None:
        """These bytes of the array are looked at; also by a program that may be refused."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """A unit was asked whether it holds *wanted*, and nothing else of it was looked at.

        *never*: it does not, and will not whatever metastable and fading bits do.
        """

    def operation(self, operation: Operation) -> None:
        """*operation* begins now: its whole bulk, with power on so far."""

    def moment(self) -> None:
        """Nothing happens in the array; whoever drives the device says that power may go now."""


class Halted:
    """A watch, as the device has it: what ends the boot is kept in the boot's *halt*, too.

    No Exception is: those are the subject's business as well as the watch's.
    """

    __slots__ = ("_halt", "_watch")

    def __init__(self, watch: Watch, halt: Halt) -> None:
        self._watch = watch
        self._halt = halt

    def read(self, offset: int, size: int) -> None:
        try:
            self._watch.read(offset, size)
        except BaseException as error:
            self._raise(error)

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        try:
            self._watch.compared(unit, wanted, never=never)
        except BaseException as error:
            self._raise(error)

    def operation(self, operation: Operation) -> None:
        with self._at_work():
            self._watch.operation(operation)

    def moment(self) -> None:
        self._halt.check()
        with self._at_work():
            self._watch.moment()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self._halt.is_watching = True
        try:
            yield
        except BaseException as error:
            self._raise(error)
        finally:
            self._halt.is_watching = False

    def _raise(self, error: BaseException) -> NoReturn:
        if isinstance(error, Exception):
            raise error
        self._halt.stop(error)


class Trace:
    """A list of operations; give it to a device as its ``trace``.

    *overwritten*: physical addresses of units that were programmed though no complete erase had
    made them blank, by the parts that do not refuse it; also where a cut hit that.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.overwritten: list[int] = []

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __len__(self) -> int:
        return len(self.operations)

    def __str__(self) -> str:
        return "\n".join(f"{i:6d}  {operation}" for i, operation in enumerate(self, 1))

    def forget(self) -> None:
        """Begin anew with what comes from now on."""
        self.operations.clear()
        self.overwritten.clear()

    def divergence(self, other: Trace) -> int | None:
        """Index of the first operation in which *other* differs; None when there is none."""
        for index, (ours, theirs) in enumerate(zip(self, other, strict=False)):
            if ours != theirs:
                return index
        return None if len(self) == len(other) else min(len(self), len(other))

    def replay(self, device: EmulatedFlash) -> None:
        """Do it all again on *device*, which must be as the first one was. Stops before a cut."""
        for operation in self:
            if operation.outcome is not None:
                return
            device.repeat(operation)

"""What a boot did, for those who look at it afterwards; and how the machine hears of operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from flash_emulator.device.trace import Operation, Trace
from flash_emulator.machine.exceptions import Fault


@dataclass(slots=True)
class Record:
    """*operations*: what the device has done, each with the PC at that moment; where unit programs
    are coalesced, that of the last. *exceptions* that were entered, with the PC they came from.
    *resets* by software, why. *output*: bytes that a USART or semihosting has sent.
    *faults*: the last of them, whatever became of it.
    *entries*: of each of ``Rests.watched``, by its address, the PC with which code there was first
    executed since the last reset, and whether no exception was active."""

    operations: list[tuple[Operation, int]] = field(default_factory=list)
    exceptions: list[tuple[str, int]] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)
    output: bytearray = field(default_factory=bytearray)
    faults: list[Fault] = field(default_factory=list)
    entries: dict[int, tuple[int, bool]] = field(default_factory=dict)


class Told(Trace):
    """A trace that keeps nothing: *call* is told of every operation."""

    def __init__(self, call: Callable[[Operation], None]) -> None:
        super().__init__()
        self.operations = _Calls(call)


class _Calls(list[Operation]):
    def __init__(self, call: Callable[[Operation], None]) -> None:
        super().__init__()
        self._call = call

    def append(self, operation: Operation) -> None:
        self._call(operation)

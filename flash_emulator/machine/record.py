"""What a boot did, for those who look at it afterwards; and how the machine hears of operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

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

    def joined(self) -> tuple[tuple[Operation, int], ...]:
        """*operations*, where units that one place programs one behind the other are one."""
        found: list[tuple[Operation, int]] = []
        for operation, pc in self.operations:
            if found and _goes_on(*found[-1], operation, pc):
                before, _ = found[-1]
                data, done = before.data + operation.data, before.done + operation.done
                found[-1] = replace(before, data=data, done=done), pc
            else:
                found.append((operation, pc))
        return tuple(found)


def _goes_on(before: Operation, at: int, operation: Operation, pc: int) -> bool:
    is_program = before.kind == operation.kind == "program" and before.fast == operation.fast
    follows = at == pc and before.address + len(before.data) == operation.address
    return is_program and follows and operation.outcome is None


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

"""What one machine executes, block by block: ranges that ran, where each block went on, and which
way IT instructions went."""

from __future__ import annotations

from dataclasses import dataclass, field

from flash_emulator.machine.coverage.thumb import decode, holds
from flash_emulator.machine.exceptions import Fault
from flash_emulator.machine.machine import Machine

_NOWHERE = (0, 0)


@dataclass(frozen=True, slots=True)
class Trace:
    """Of a stretch of a boot. *ran*: ranges of code, [begin, end). *went*: the end of a block, and
    where the next one began. *held*: IT instructions, and whether their condition held."""

    ran: frozenset[tuple[int, int]] = frozenset()
    went: frozenset[tuple[int, int]] = frozenset()
    held: frozenset[tuple[int, bool]] = frozenset()


@dataclass(slots=True)
class Tracer:
    """Follows *machine*, which has not run yet. It takes note of a block when the next one begins:
    what an exception, a reset or the end leaves of one did not all run."""

    machine: Machine
    _last: tuple[int, int] = _NOWHERE
    _whole: set[tuple[int, int, int]] = field(default_factory=set)  # begin, size, next
    _parts: set[tuple[int, int]] = field(default_factory=set)
    _held: set[tuple[int, bool]] = field(default_factory=set)
    _conditions: dict[int, int | None] = field(default_factory=dict)  # of IT, as code is now

    def __post_init__(self) -> None:
        machine, exceptions = self.machine, self.machine.exceptions
        entered, faulted = exceptions.entered, exceptions.faulted
        machine.engine.trace_blocks(self._begins)
        machine.engine.it_met = self._it
        machine.resetting = self._resets

        def enters(number: int, pc: int) -> None:
            self._left_for(pc)
            entered(number, pc)

        def faults(fault: Fault) -> None:
            self._left_in(fault.pc)
            faulted(fault)

        exceptions.entered, exceptions.faulted = enters, faults

    def begin(self) -> None:
        """A boot begins: what was noted before is forgotten."""
        self._last = _NOWHERE
        self.take()

    def take(self) -> Trace:
        """What ran since this was asked last; the machine stands between two blocks."""
        self._left_for(self.machine.pc())
        return self._taken()

    def take_last(self) -> Trace:
        """The same where the boot has ended, within a block or behind one."""
        self._left_in(self.machine.pc())
        return self._taken()

    def _taken(self) -> Trace:
        ran = {(begin, begin + size) for begin, size, _ in self._whole} | self._parts
        went = frozenset((begin + size, to) for begin, size, to in self._whole)
        trace = Trace(frozenset(ran), went, frozenset(self._held))
        for each in (self._whole, self._parts, self._held, self._conditions):
            each.clear()
        return trace

    # --- what it is told

    def _begins(self, address: int, size: int) -> None:
        begin, length = self._last
        if length and self.machine.space.tried is None:
            self._whole.add((begin, length, address))
        elif length:  # an access in the last block is tried once more, from there on
            self._parts.add((begin, address))
        self._last = (address, size)

    def _resets(self) -> None:
        """Other code may lie at the same addresses then."""
        self._left_in(self.machine.pc())
        self._conditions.clear()

    def _left_for(self, pc: int) -> None:
        """The last block ran to its end, and *pc* comes next."""
        begin, size = self._last
        if size:
            self._whole.add((begin, size, pc))
        self._last = _NOWHERE

    def _left_in(self, pc: int) -> None:
        """The same; or *pc* is the last instruction of the block that was executed."""
        begin, size = self._last
        if not begin <= pc < begin + size:
            self._left_for(pc)
            return
        self._parts.add((begin, pc + 2))  # half of it will do; memory may be out of reach by now
        self._last = _NOWHERE

    def _it(self, address: int) -> None:
        if address not in self._conditions:
            found = decode(address, self.machine.space.half_word)
            is_one = found is not None and found.guards  # else it only looked like one
            self._conditions[address] = found.condition if found and is_one else None
        condition = self._conditions[address]
        if condition is not None:
            xpsr = self.machine.engine.registers["xpsr"]
            self._held.add((address, holds(condition, xpsr)))

"""Exceptions of a Cortex-M: which is taken when, what is pushed and popped.

Armv6-M, Armv7-M and Armv8-M Architecture Reference Manuals, chapters B1 ("Exception model").
unicorn executes instructions and knows no exceptions, so all of it is here: reset, NMI, HardFault
with escalation and lock-up, BusFault, UsageFault, SVC, PendSV, SysTick and external interrupts;
priorities with preemption, masks, tail-chaining, both stacks, frames with floating point.

Exceptions that are not caused by an instruction are taken between two basic blocks. A frame with
floating point is always written at once (as with FPCCR.LSPEN = 0). Not modelled: MemManage (there
is no MPU), DebugMonitor, security states, PRIGROUP (all bits of a priority preempt).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from flash_emulator.machine.symbols import shown

RESET, NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT = range(1, 7)
SVCALL, DEBUG_MONITOR, PENDSV, SYSTICK = 11, 12, 14, 15
EXTERNAL = 16
"""Exception number of interrupt 0."""

NAMES = {
    NMI: "NMI",
    HARD_FAULT: "HardFault",
    MEM_MANAGE: "MemManage",
    BUS_FAULT: "BusFault",
    USAGE_FAULT: "UsageFault",
    SVCALL: "SVCall",
    DEBUG_MONITOR: "DebugMonitor",
    PENDSV: "PendSV",
    SYSTICK: "SysTick",
}

_FIXED = {RESET: -3, NMI: -2, HARD_FAULT: -1}
_LOWEST = 256  # thread mode
_PADDED = 1 << 9  # of the stacked xPSR: four bytes more were taken, to align
_IT_BITS = 0x0600_FC00
_THUMB = 1 << 24
_NUMBER = 0x1FF
_SPSEL, _FPCA = 2, 4 | 8  # CONTROL; with SFPA, for the engine takes every core for a secure one
_EXC_RETURN = 0xFFFF_FF00
_IBUSERR = 1 << 8  # of CFSR
_LR_THREAD, _LR_PSP, _LR_PLAIN = 8, 4, 16  # EXC_RETURN: bits 3, 2, 4

ENABLED_BY = {MEM_MANAGE: 1 << 16, BUS_FAULT: 1 << 17, USAGE_FAULT: 1 << 18}
"""Bits of SHCSR."""


def name_of(number: int) -> str:
    """What the exception is called."""
    if number >= EXTERNAL:
        return f"IRQ{number - EXTERNAL}"
    return NAMES.get(number, f"exception {number}")


@dataclass(frozen=True, slots=True)
class Fault:
    """An instruction at *pc* that cannot be executed, or an SVC. *status*: bits of CFSR; *address*:
    what it has reached for."""

    name: str
    pc: int
    status: int = 0
    address: int | None = None


class LockUp(Exception):
    """A fault that nobody can handle: the core stops for good. *why* in words, at *pc*."""

    def __init__(self, why: str, pc: int) -> None:
        self.why, self.pc = why, pc
        super().__init__(f"lock-up at {shown(pc)}: {why}")


class Memory(Protocol):
    """Where frames and vectors are."""

    def push(self, address: int, words: list[int]) -> bool:
        """Write *words* from *address* on; False where there is no RAM."""

    def pop(self, address: int, count: int) -> list[int] | None:
        """Read as many words; None where there is no RAM."""

    def vector(self, address: int) -> int | None:
        """A word of the vector table; None where it cannot be read."""


class Exceptions:
    """The state of NVIC and SCB that decides what is taken. *entered* is told of it. *table* is
    VTOR at reset: M7 and M33 begin with the address they boot from, all others with 0, where that
    is seen (Technical Reference Manuals: INITVTOR)."""

    def __init__(self, registers: Any, memory: Memory, core: str, table: int = 0) -> None:
        self._registers, self._memory = registers, memory
        self.simple = core.startswith("m0")  # every fault is a HardFault
        self._v8 = core == "m33"
        self._first_table = table if core in ("m7", "m33") else 0
        self.priority_mask = 0xC0 if self.simple else 0xF0
        self.entered: Callable[[int, int], object] = lambda number, pc: None  # noqa: ARG005
        self.faulted: Callable[[Fault], object] = lambda fault: None  # noqa: ARG005
        self.reset()

    def reset(self) -> None:
        self.taken = 0  # exceptions so far
        self.pending: set[int] = set()
        self.active: list[int] = []  # the innermost last
        self.enabled = 0  # external interrupts, a bit each
        self.lines = 0  # those that a peripheral asks for now
        self.priorities: dict[int, int] = {}
        self.table = self._first_table
        self.fault_enables = 0  # SHCSR
        self.fault_status = 0  # CFSR
        self.hard_fault_status = 0  # HFSR
        self.fault_address = 0  # BFAR
        self.event = False  # the event register, of WFE

    def state(self) -> Hashable:
        """All of it, for comparison."""
        return (
            tuple(sorted(self.pending)),
            tuple(self.active),
            self.enabled,
            self.lines,
            tuple(sorted(self.priorities.items())),
            self.table,
            self.fault_enables,
            self.fault_status,
            self.hard_fault_status,
            self.fault_address,
            self.event,
        )

    def leave_it_block(self) -> None:
        """What comes next is executed whatever the conditions of the block were."""
        self._registers["xpsr"] = self._registers["xpsr"] & ~_IT_BITS

    # --- what is pending

    def pend(self, number: int) -> None:
        self.pending.add(number)

    def set_line(self, interrupt: int, *, level: bool) -> None:
        """A peripheral asks for *interrupt*, or does not any more."""
        bit = 1 << interrupt
        if level and not self.lines & bit:
            self.lines |= bit
            self.pending.add(EXTERNAL + interrupt)
        elif not level:
            self.lines &= ~bit

    def priority(self, number: int) -> int:
        fixed = _FIXED.get(number)
        return fixed if fixed is not None else self.priorities.get(number, 0)

    def _is_enabled(self, number: int) -> bool:
        return number < EXTERNAL or bool(self.enabled >> (number - EXTERNAL) & 1)

    def _active_priority(self) -> int:
        return min((self.priority(number) for number in self.active), default=_LOWEST)

    def execution_priority(self) -> int:
        """Of what runs now, masks included: only what is lower in number is taken."""
        priority, registers = self._active_priority(), self._registers
        if not self.simple:
            base = registers["basepri"] & self.priority_mask
            if base:
                priority = min(priority, base)
            if registers["faultmask"] & 1:
                return min(priority, -1)
        if registers["primask"] & 1:
            priority = min(priority, 0)
        return priority

    def _first(self) -> int | None:
        """The pending exception that comes first."""
        ready = [number for number in self.pending if self._is_enabled(number)]
        return min(ready, key=lambda n: (self.priority(n), n), default=None)

    def due(self) -> int | None:
        """The exception that is to be taken now."""
        if not self.pending:
            return None
        first = self._first()
        if first is None or self.priority(first) >= self.execution_priority():
            return None
        return first

    def wakes(self) -> bool:
        """Whether WFI ends: PRIMASK does not count."""
        first = self._first() if self.pending else None
        if first is None:
            return False
        base = 0 if self.simple else self._registers["basepri"] & self.priority_mask
        limit = min(self._active_priority(), base or _LOWEST)
        return self.priority(first) < limit

    # --- taking them

    def take(self, number: int, pc: int) -> int:
        """Enter *number* from *pc*. Returns where its handler begins. Raises LockUp."""
        registers = self._registers
        xpsr, control = registers["xpsr"], registers["control"]
        thread = not xpsr & _NUMBER
        has_floats = not self.simple and bool(control & _FPCA)
        words = [registers[name] for name in ("r0", "r1", "r2", "r3", "r12", "lr")]
        sp = registers["sp"]
        frame = 0x68 if has_floats else 0x20
        new_sp = sp - frame & ~7
        padded = _PADDED if (sp - frame) & 4 else 0
        words += [pc, xpsr & ~_PADDED | padded]
        if has_floats:
            floats = registers.floats()
            words += [*floats[:16], floats[32], 0]
        if not self._memory.push(new_sp, words):
            self._stacking_failed(number, new_sp, pc)
        registers["sp"] = new_sp
        lr = 0xFFFF_FFB0 if self._v8 else 0xFFFF_FFF1
        if thread:
            lr |= _LR_THREAD | (_LR_PSP if control & _SPSEL else 0)
        if self._v8:
            lr |= _LR_PLAIN
        registers["lr"] = lr & ~_LR_PLAIN if has_floats else lr
        if has_floats:
            registers["control"] = control & ~_FPCA
        return self._enter(number, pc)

    def _stacking_failed(self, number: int, address: int, pc: int) -> None:
        raise LockUp(
            f"{name_of(number)} cannot push its frame to {shown(address)}: no RAM there", pc
        )

    def _enter(self, number: int, pc: int) -> int:
        self.taken += 1
        self.event = True
        self.pending.discard(number)
        self.active.append(number)
        registers = self._registers
        registers["xpsr"] = registers["xpsr"] & ~(_IT_BITS | _NUMBER) | _THUMB | number
        vector = self._memory.vector(self.table + 4 * number)
        if vector is None or not vector & 1:
            found = "cannot be read" if vector is None else f"is {shown(vector)}: no Thumb address"
            if number in (NMI, HARD_FAULT):
                raise LockUp(f"the vector of {name_of(number)} {found}", pc)
            self.hard_fault_status |= 2  # VECTTBL
            self.active.pop()
            registers["xpsr"] = registers["xpsr"] & ~_NUMBER | HARD_FAULT
            return self._enter(HARD_FAULT, pc)
        self.entered(number, pc)
        if vector >= _EXC_RETURN:  # erased: nothing can be executed there
            return self.fault(BUS_FAULT, vector & ~1, status=_IBUSERR)
        return vector & ~1

    def leave(self, lr: int, pc: int) -> int:
        """EXC_RETURN was loaded into PC. Returns where to go on. Raises LockUp.

        Tail-chaining: where another is due, its handler begins with the frame as it stands.
        """
        registers = self._registers
        number = registers["xpsr"] & _NUMBER
        if not self.active or self.active[-1] != number:
            return self.fault(USAGE_FAULT, pc, status=1 << 18)  # INVPC
        self.active.pop()
        self.event = True
        if number != NMI and not self.simple:
            registers["faultmask"] = 0
        if number >= EXTERNAL and self.lines >> (number - EXTERNAL) & 1:
            self.pending.add(number)
        due = self.due()
        if due is not None:
            registers["lr"] = lr | (0 if self._v8 else 1)
            return self._enter(due, pc)
        return self._unstack(lr, pc)

    def _unstack(self, lr: int, pc: int) -> int:
        registers, thread = self._registers, bool(lr & _LR_THREAD)
        uses_psp = thread and bool(lr & _LR_PSP)
        has_floats = not self.simple and not lr & _LR_PLAIN
        sp = registers["psp"] if uses_psp else registers["msp"]
        words = self._memory.pop(sp, 26 if has_floats else 8)
        if words is None:
            raise LockUp(f"the frame at {shown(sp)} cannot be popped: no RAM there", pc)
        xpsr = words[7]
        if thread is bool(xpsr & _NUMBER):
            return self.fault(USAGE_FAULT, pc, status=1 << 18)
        registers["xpsr"] = xpsr & ~_PADDED | _THUMB
        control = registers["control"] & ~(_SPSEL | _FPCA)
        if has_floats:
            for index, value in enumerate(words[8:24]):
                registers.set_float(index, value)
            registers.set_float(32, words[24])
            control |= _FPCA
        if thread:
            registers["control"] = control | (_SPSEL if uses_psp else 0)
        else:
            registers["control"] = registers["control"] & ~_FPCA | (_FPCA if has_floats else 0)
        registers["sp"] = (sp + (0x68 if has_floats else 0x20)) | (4 if xpsr & _PADDED else 0)
        for name, value in zip(("r0", "r1", "r2", "r3", "r12", "lr"), words, strict=False):
            registers[name] = value
        return words[6] & ~1

    # --- faults

    def fault(self, number: int, pc: int, *, status: int = 0, address: int | None = None) -> int:
        """An instruction at *pc* cannot be executed. Returns where the handler begins.

        *number* is the fault that has a handler of its own; it becomes a HardFault where that is
        not enabled, or may not preempt. *status*: bits of CFSR; *address*: what BFAR shows.
        Raises LockUp where not even a HardFault may be taken.
        """
        now = self.execution_priority()
        self.faulted(Fault(name_of(number), pc, status, address))
        self.fault_status |= status
        if address is not None:
            self.fault_address = address
            self.fault_status |= 1 << 15  # BFARVALID
        taken = number
        if (
            number in ENABLED_BY
            and (
                self.simple
                or not self.fault_enables & ENABLED_BY[number]
                or self.priority(number) >= now
            )
        ) or (
            number in (SVCALL, DEBUG_MONITOR)
            and (number == DEBUG_MONITOR or self.priority(number) >= now)
        ):
            taken = HARD_FAULT
        if taken == HARD_FAULT:
            self.hard_fault_status |= 1 << 30 if number != HARD_FAULT else 0  # FORCED
            if self._active_priority() <= -1:
                raise LockUp(f"{name_of(number)} within {name_of(self.active[-1])}", pc)
        return self.take(taken, pc)

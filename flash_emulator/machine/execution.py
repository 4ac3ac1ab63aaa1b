"""From one stop of the engine to the next: how far it may run, why it has stopped, and where the
core goes on: in a handler, behind what it has waited for, or nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash_emulator.machine import exceptions as numbers
from flash_emulator.machine.engine import (
    BREAKPOINT,
    FETCH,
    RETURN,
    SVC,
    UNALIGNED,
    UNDEFINED,
    Stop,
)
from flash_emulator.machine.ram import StaleCode
from flash_emulator.machine.rest import AtRest
from flash_emulator.machine.second_try import SecondTry
from flash_emulator.machine.sleep import Sleep
from flash_emulator.machine.special_instructions import Waits
from flash_emulator.machine.symbols import shown
from flash_emulator.registers import BusError

if TYPE_CHECKING:
    from flash_emulator.machine.machine import Machine

_SLICE = 1 << 18  # bytes of code between two calls of ``Machine.heed``
_SEMIHOSTING = 0xBEAB
_EXC_RETURN = 0xFFFF_FF00
_IBUSERR, _PRECISERR = 1 << 8, 1 << 9  # CFSR
_UNDEFINSTR, _INVSTATE, _UNALIGNED = 1 << 16, 1 << 17, 1 << 24
_THUMB = 1 << 24  # of xPSR


class Elsewhere(BaseException):
    """Raised in a hook, by whoever debugs: the core goes on at *pc*."""

    def __init__(self, pc: int) -> None:
        self.pc = pc
        super().__init__(shown(pc))


class Execution:
    """Of the core of *machine*, which waits as *sleep* has it."""

    def __init__(self, machine: Machine, sleep: Sleep) -> None:
        self._machine, self._sleep = machine, sleep
        self._engine, self._space = machine.engine, machine.space
        self._exceptions = machine.exceptions
        self._second_try = SecondTry(machine.engine, machine.space)

    def step(self, pc: int) -> int:
        """Execute from *pc* until the engine stops. Returns where to go on. Raises LockUp, AtRest,
        SystemReset, and what a hook raises."""
        exceptions = self._exceptions
        if pc >= _EXC_RETURN:  # the engine would end there and then, again and again
            return exceptions.fault(numbers.BUS_FAULT, pc, status=_IBUSERR)
        self._set_limit()
        try:
            stop = self._second_try.of(self._engine.run(pc))
        except BusError as error:
            return exceptions.fault(
                numbers.BUS_FAULT, self._machine.pc(), status=_PRECISERR, address=error.address
            )
        except StaleCode:
            self._space.forget_code()
            return self._machine.pc()
        except Elsewhere as elsewhere:
            exceptions.leave_it_block()
            return elsewhere.pc
        except Waits as waits:
            behind = self._sleep.waits(waits)
            return behind if behind == waits.pc else self._go_on(behind)
        return self._stopped(stop, self._machine.pc())

    def _set_limit(self) -> None:
        machine, meter = self._machine, self._engine.meter
        limit = machine.time.stop(machine.limits.instructions * 2)
        if machine.interrupter is not None:
            stop = machine.interrupter.next_stop(meter.counted)
            limit = limit if stop is None else min(limit, stop)
        meter.limit = max(min(limit, meter.counted + _SLICE), meter.counted + 1)

    def _stopped(self, stop: Stop, pc: int) -> int:
        """The engine has stopped at *pc*."""
        exceptions = self._exceptions
        if stop.number == 0:
            return self._between_blocks(pc)
        if stop.number == RETURN or pc >= _EXC_RETURN:
            return self._go_on(exceptions.leave(pc, pc))
        if stop.number == SVC:
            return exceptions.fault(numbers.SVCALL, pc)
        if stop.number == BREAKPOINT:
            return self._breakpoint(pc)
        if stop.number == UNDEFINED:
            return self._undefined(pc)
        if stop.number == UNALIGNED:
            return exceptions.fault(numbers.USAGE_FAULT, pc, status=_UNALIGNED)
        if stop.access == FETCH:
            return exceptions.fault(numbers.BUS_FAULT, pc, status=_IBUSERR)
        return exceptions.fault(numbers.BUS_FAULT, pc, status=_PRECISERR, address=stop.address)

    def _between_blocks(self, pc: int) -> int:
        if self._machine.interrupter is not None:
            self._machine.interrupter.stopped(self._engine.meter.counted)
        return self._go_on(pc)

    def _go_on(self, pc: int) -> int:
        """Take what is due before the instruction at *pc*."""
        self._machine.tick()
        due = self._exceptions.due()
        if due is None:
            return pc
        if self._space.is_in_slot(pc):
            self._engine.flush()  # so that coming back to it is noticed
        return self._exceptions.take(due, pc)

    def _breakpoint(self, pc: int) -> int:
        instruction = self._space.half_word(pc)
        if instruction == _SEMIHOSTING:
            return self._machine.outside.semihosting(pc)
        if self._exceptions.due() is not None:
            return self._go_on(pc)
        raise AtRest("breakpoint", f"BKPT #{instruction & 0xFF}")

    def _undefined(self, pc: int) -> int:
        if self._space.read_trap(pc):
            self._engine.flush()
            return self._go_on(pc)
        is_thumb = self._engine.registers["xpsr"] & _THUMB
        status = _UNDEFINSTR if is_thumb else _INVSTATE
        return self._exceptions.fault(numbers.USAGE_FAULT, pc, status=status)

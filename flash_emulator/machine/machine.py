"""A Cortex-M in front of the emulated flash: it boots what the flash holds.

    machine = Machine(part)
    ended = machine.boot(flash)     # from reset to rest
    ended.kind, ended.pc, machine.record.output

The flash is the only truth: stores to it and to its registers become calls of the device through
the part's register front, and what the device raises (``PowerLoss``, a search's look at unknown
content) comes out of ``boot``.

Time is virtual and deterministic: a cycle for every two bytes of code, and what flash operations
take by the datasheet.

Not modelled: DMA, USB, Ethernet, TrustZone, MPU faults, caches, the cycles of single instructions,
the boot ROM's code. Registers that nobody models keep what is written, and are named in ``met``.
What the engine executes otherwise than a chip is in docs/explanation/machine.md.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Protocol

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.machine import exceptions as numbers
from flash_emulator.machine.address_space import AddressSpace
from flash_emulator.machine.bank_alias import BankAlias, MemoryMode
from flash_emulator.machine.bus import Met, PeripheralBus
from flash_emulator.machine.engine import Engine
from flash_emulator.machine.exceptions import Exceptions, Fault, LockUp, name_of
from flash_emulator.machine.execution import Execution
from flash_emulator.machine.low_power import STANDBY, LowPower
from flash_emulator.machine.outside import Outside
from flash_emulator.machine.peripherals import (
    Cause,
    Iwdg,
    Peripheral,
    Rcc,
    core_of,
    option_memory,
    peripherals_for,
    ram_of,
)
from flash_emulator.machine.peripherals.watchdogs import run_out
from flash_emulator.machine.point import clear_dead_stack, state_of
from flash_emulator.machine.record import Record, Told
from flash_emulator.machine.rest import AtRest, Ended, Limits, Rests
from flash_emulator.machine.sleep import Sleep
from flash_emulator.machine.special_instructions import SpecialInstructions
from flash_emulator.machine.symbols import shown
from flash_emulator.machine.system_control import SystemControl
from flash_emulator.machine.virtual_time import VirtualTime
from flash_emulator.parts.part import Part
from flash_emulator.registers import SystemReset

Run = Generator[None, None, Ended]

_FAULTS = 8  # that are kept
_MOST_FAULTS, _MOST_EXCEPTIONS = 20_000, 500_000  # of a boot that would take minutes else
_CAUSES = {
    "SYSRESETREQ": Cause.SOFTWARE,
    "OBL_LAUNCH": Cause.OPTIONS,
    "NRST": Cause.PIN,
    "watchdog": Cause.IWDG,
}
"""Of resets that no peripheral notes itself, as watchdogs do; the last two come from outside."""


class Interrupter(Protocol):
    """Whoever wants the machine to stop between two blocks. *counted*: bytes of code executed."""

    def next_stop(self, counted: int) -> int | None:
        """How much is to be counted when it stops; it stops at the first block behind that."""

    def stopped(self, counted: int) -> None:
        """It has stopped, there or elsewhere. What it raises ends the boot; SystemReset, a reset
        of the chip."""


class Machine:
    """One chip. It can boot any number of flashes, one after the other.

    *core*, *ram*: None, as the chip has them. *clock_mhz*: of the core, all the time. *coalesce*:
    unit programs that follow one another are one operation of the device. *helps*: loops that wait
    for what nobody models are helped over, and named in ``met``. *stack_floor*: what lies from
    there up to the stack pointer is dead, see ``point``. *exact_pc*: ``pc`` is exact in
    hooks, too; slower. *wake_us*: how long the chip is in Standby; None: for ever. *overrun*: bytes
    from outside that firmware does not take in time are lost. *output_matters*: runs are joined
    where they have sent the same; else where as much of its end is the same as a text of *rests*
    may begin with.
    """

    def __init__(
        self,
        part: Part,
        core: str | None = None,
        ram: Sequence[tuple[int, int]] | None = None,
        *,
        rests: Rests | None = None,
        limits: Limits | None = None,
        pins: Mapping[str, bool] | None = None,
        clock_mhz: float = 16.0,
        coalesce: bool = True,
        helps: bool = True,
        stack_floor: int | None = None,
        exact_pc: bool = False,
        output_matters: bool = True,
        wake_us: float | None = None,
        overrun: bool = False,
    ) -> None:
        self.part, self.core = part, core or core_of(part)
        self.rests, self.limits = rests or Rests(), limits or Limits()
        self.clock_mhz, self.coalesce, self.stack_floor = clock_mhz, coalesce, stack_floor
        self.flash: EmulatedFlash
        self.record = Record()
        self.interrupter: Interrupter | None = None
        self.guard: Callable[[Operation, int], None] | None = None
        """Told of each operation that the device has done, and PC; what it raises ends the boot."""
        self.heed: Callable[[], object] = int
        """Called again and again while the core executes; what it raises ends the boot."""
        self.resetting: Callable[[], object] = int
        """Called when the chip is reset without a loss of power, with PC where that was."""
        self.space = AddressSpace(self, part, self.core, ram or ram_of(part))
        self.engine = Engine(self.core, self.space.page)
        self.output_matters = output_matters
        if exact_pc:
            self.engine.keep_pc_exact()
        self.exceptions = Exceptions(self.engine.registers, self.space, self.core, part.base)
        self.exceptions.entered = self._entered
        self.exceptions.faulted = self._faulted
        self.time = VirtualTime(self.engine.meter, clock_mhz, self._events, self.recheck)
        self.system = SystemControl(self.core, self.exceptions, self.time.cycles, self.recheck)
        self.time.systick = self.system.systick
        self._sleep = Sleep(self)
        self.special = SpecialInstructions(
            self.engine,
            self.exceptions,
            half_word=self.space.half_word,
            skip=self.time.skip,
            idled=self._sleep.has_idled_enough,
            due=self.recheck,
        )
        self.space.attach(self.engine)
        self._execution = Execution(self, self._sleep)
        self.bus = PeripheralBus(pc=self.pc, skip=self._skip_polls, helps=helps)
        self.outside = Outside(self, pins or {})
        self.peripherals = peripherals_for(
            part, self.outside, hardware_watchdog=self._starts_watchdog, overrun=overrun
        )
        self.peripherals += option_memory(part, self.outside, lambda: self.space.front)
        self.outside.connect(self.peripherals)
        self._aliases: Sequence[BankAlias | MemoryMode] = BankAlias.of(part, self._moved)
        self._aliases = self._aliases or MemoryMode.of(part, self._moved)
        self.bus.add([*self._aliases, *self.peripherals])
        self._rcc = next(p for p in self.peripherals if isinstance(p, Rcc))
        self._iwdg = next(p for p in self.peripherals if isinstance(p, Iwdg))
        self.low_power = LowPower(self, wake_us)
        self._timed = [p for p in self.peripherals if type(p).next_us is not Peripheral.next_us]
        self._is_new = True
        self._faults = 0  # since the last reset
        self._at_join = False
        self.is_paused = False

    def _moved(self) -> None:
        """SYSCFG shows other memory at some addresses."""
        self.space.show_ram_at_zero(any(alias.shows_ram for alias in self._aliases))
        self.engine.flush()

    def _starts_watchdog(self) -> bool:
        """Whether option bytes start IWDG at every reset. There is no flash before the first."""
        flash = getattr(self, "flash", None)
        return flash is not None and flash.options.starts_watchdog

    @property
    def met(self) -> Met:
        """What the boot has met that is not modelled."""
        return self.bus.met

    def pc(self) -> int:
        """Where the core is; in a hook, in the block that is executed, or exact: see *exact_pc*."""
        return self.engine.registers["pc"]

    # --- time

    @property
    def now_us(self) -> float:
        """Virtual time since power-on."""
        return self.time.now_us()

    def pass_us(self, time_us: float) -> None:
        """Let time pass in which nothing is executed."""
        self.time.pass_us(time_us)

    def _events(self) -> Iterator[float | None]:
        """When peripherals and the world outside want to be called."""
        for peripheral in self._timed:
            yield peripheral.next_us()
        yield self.outside.next_us()

    def _skip_polls(self) -> bool:
        self.flash.settle()
        return self.time.skip_polls()

    def recheck(self) -> None:
        """Something may be due: the engine stops before the next block."""
        self.engine.meter.limit = 0

    def tick(self) -> None:
        """Whoever wanted to be called by now is called."""
        if self.system.systick.is_due():
            self.exceptions.pend(numbers.SYSTICK)
        now_us = self.now_us
        for peripheral in self._timed:
            at_us = peripheral.next_us()
            if at_us is not None and at_us <= now_us:
                peripheral.tick()
        self.outside.tick()

    def _check_budget(self) -> None:
        """Before each run of the engine: a handler that returns to what faults again never comes to
        the end of a run that is long enough for the meter."""
        if self.engine.meter.counted >= self.limits.instructions * 2:
            raise AtRest("budget", f"no rest after {self.limits.instructions:,} instructions")
        if self._faults > _MOST_FAULTS or self.exceptions.taken > _MOST_EXCEPTIONS:
            what = f"{self._faults:,} faults and {self.exceptions.taken:,} exceptions"
            raise AtRest("budget", f"no rest after {what} since the last reset")

    # --- from reset to rest

    def boot(self, flash: EmulatedFlash) -> Ended:
        """Boot *flash*, which has just been powered on, to rest. Raises what the device raises."""
        run = self.run(flash)
        while True:
            try:
                next(run)
            except StopIteration as stop:
                ended: Ended = stop.value
                return ended

    def run(self, flash: EmulatedFlash) -> Run:
        """As ``boot``; it stops after each erase, with nothing pending, and can be looked at. It
        stops, too, where somebody has called ``pause``."""
        self._power_on(flash)
        pc: int | None = None
        while True:
            try:
                pc = self._start() if pc is None else self._execute(pc)
            except AtRest as rest:
                flash.settle()
                return self._ended(rest.kind, rest.text, self.pc())
            except LockUp as lock_up:
                reset = run_out(self.peripherals, self.pass_us)
                if reset is None or self._has_reset_too_often:
                    flash.settle()
                    return self._ended("lock-up", lock_up.why, lock_up.pc)
                self._reset(reset)
                pc = None
            except SystemReset as reset:
                if self._has_reset_too_often:
                    flash.settle()
                    text = f"{self.limits.resets} resets by software, and it resets itself again"
                    return self._ended("resets", text, self.pc())
                self._reset(reset)
                pc = None
            if self._at_join:
                self._at_join = False
                flash.settle()
                clear_dead_stack(self)
                yield
            if self.is_paused:
                flash.settle()
                yield
                self.is_paused = False

    @property
    def _has_reset_too_often(self) -> bool:
        return len(self.record.resets) >= self.limits.resets

    def pause(self) -> None:
        """``run`` stops before the next block of code."""
        self.is_paused = True
        self.recheck()

    def _execute(self, pc: int) -> int:
        """From *pc* until the engine stops. Returns where to go on."""
        self.heed()
        self._check_budget()
        return self._execution.step(pc)

    def _power_on(self, flash: EmulatedFlash) -> None:
        self.flash = flash
        flash.trace = Told(self._changed)
        self.record = Record()
        self.engine.meter.reset()
        self.time.reset()
        self._sleep.reset()
        self._at_join = self.is_paused = False
        self.space.power_on(flash)
        self.bus.reset()
        self.bus.met = Met()
        for alias in self._aliases:
            alias.power_on(flash)
        self._moved()
        self.outside.power_on()
        for peripheral in self.peripherals if self._is_new else self.bus.touched:
            peripheral.reset(power_on=True)
        self._is_new = False
        self.bus.touched.clear()
        self._reset_watchdog(power_on=True)

    def _reset_watchdog(self, *, power_on: bool) -> None:
        """An option byte may start it: then it counts, though nobody has touched it."""
        self._iwdg.reset(power_on=power_on)
        if self._starts_watchdog():
            self.bus.touched.add(self._iwdg)

    def _start(self) -> int:
        """The core's reset. Returns where it begins."""
        self.engine.flush()
        self.engine.registers.clear()
        self.record.entries.clear()
        self.exceptions.reset()
        self._faults = 0
        self.system.reset()
        self.special.reset()
        table = self.exceptions.table
        sp, pc = self.space.vector(table), self.space.vector(table + 4)
        if sp is None or pc is None:
            raise LockUp(f"the reset vector cannot be read: {self.space.unreadable}", 0)
        if not pc & 1:
            raise LockUp(f"the reset vector is {shown(pc)}: no Thumb address", pc)
        self.engine.registers["sp"] = sp & ~3
        self.engine.registers["lr"] = 0xFFFF_FFFF
        return pc & ~1

    def _reset(self, reset: SystemReset) -> None:
        """A system reset: the backup domain stays, and RAM, unless it ends Standby."""
        self.resetting()
        self.record.resets.append(reset.reason)
        cause = _CAUSES.get(reset.reason)
        if cause is not None:
            self._rcc.note(cause)
        if reset.reason == STANDBY:
            self.flash.options.load()
        self.flash.reset()
        self.space.reset()
        self.bus.reset()
        for alias in self._aliases:
            alias.reset(power_on=False)
        self._moved()
        for peripheral in self.peripherals:
            peripheral.reset(power_on=False)
        if reset.reason == STANDBY:
            self.low_power.woken()
        self._reset_watchdog(power_on=False)
        self.bus.touched.update(p for p in self.peripherals if not p.is_as_powered_on)

    def _ended(self, kind: str, text: str, pc: int) -> Ended:
        sp = self.engine.registers["sp"]
        return Ended(kind, pc, text, self.exceptions.table, not self.exceptions.active, sp)

    # --- what it is told

    def _faulted(self, fault: Fault) -> None:
        if fault.status:
            self._faults += 1
            self.record.faults = [*self.record.faults[-_FAULTS:], fault]

    def _entered(self, number: int, pc: int) -> None:
        self.record.exceptions.append((name_of(number), pc))

    def _changed(self, operation: Operation) -> None:
        """The device has done something: pages that the engine knows may be others."""
        pc, times = self.pc(), self.part.timing
        self.record.operations.append((operation, pc))
        if self.guard is not None:
            self.guard(operation, pc)
        if operation.kind == "program":
            units = len(operation.data) // self.part.program_unit
            self.pass_us((times.of("program_unit", mode="max") or 0) * units)
            return
        if operation.kind == "erase":
            size = self.part.sector_starts[self.flash.array_offset(operation.address)]
            self.pass_us(times.of("sector_erase", size=size, mode="max") or 0)
        self._at_join = "erase" in operation.kind
        self.engine.flush()
        self.recheck()

    def state(self) -> bytes:
        """32 bytes over all that the chip holds beside its flash: for joins."""
        return state_of(self, self._timed)

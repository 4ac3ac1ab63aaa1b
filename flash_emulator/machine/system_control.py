"""The system control space at 0xE000_E000: SysTick, NVIC, SCB; and the cycle counter of DWT.

Armv7-M Architecture Reference Manual, B3.2 to B3.4 and C1.8; Armv6-M, B3.2 to B3.4. Registers that
are not here keep what is written (MPU, FPCCR, debug).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from flash_emulator.machine.exceptions import (
    BUS_FAULT,
    ENABLED_BY,
    EXTERNAL,
    MEM_MANAGE,
    NMI,
    PENDSV,
    SVCALL,
    SYSTICK,
    USAGE_FAULT,
    Exceptions,
)
from flash_emulator.registers.faults import SystemReset

BASE, SIZE = 0xE000_E000, 0x1000
SYST_CVR = BASE + 0x18
DWT_CYCCNT = 0xE000_1004

_CPUID = {  # Technical Reference Manuals; the revision is that of the STM32 that have it
    "m0": 0x410C_C200,
    "m0plus": 0x410C_C601,
    "m3": 0x411F_C231,
    "m4": 0x410F_C241,
    "m7": 0x411F_C271,
    "m33": 0x410F_D214,
}
_SCR, _SEVONPEND = 0xD10, 1 << 4
_KEY, _RESET_KEY = 0xFA05 << 16, 0x05FA
_SYSRESETREQ = 1 << 2
_ENABLE, _TICKINT, _CORE_CLOCK, _COUNTED = 1, 2, 4, 1 << 16
_ACTIVE_BITS = {MEM_MANAGE: 0, BUS_FAULT: 1, USAGE_FAULT: 3, SVCALL: 7, PENDSV: 10, SYSTICK: 11}
_PENDING_BITS = {USAGE_FAULT: 12, MEM_MANAGE: 13, BUS_FAULT: 14, SVCALL: 15}
_HANDLERS = {0xD18: 4, 0xD1C: 8, 0xD20: 12}  # SHPR1 to 3: the first exception of each


class SysTick:
    """Counts down with the core's clock, or an eighth of it."""

    def __init__(self, cycles: Callable[[], int]) -> None:
        self._cycles = cycles
        self.reset()

    def reset(self) -> None:
        self._control = self._reload = 0
        self._began = 0  # cycle at which it was last loaded
        self._reached = 0  # how often it has come to 0 since, as software was told
        self._told = 0  # how many interrupts were asked for since
        self._is_polled = False  # whether software has looked at COUNTFLAG since

    def state(self) -> Hashable:
        """*value*, not the time at which it began: two runs are alike that are as far from 0."""
        missed = self._passed() - self._reached
        return self._control, self._reload, self._value(), missed, self._is_polled

    @property
    def _per_tick(self) -> int:
        return 1 if self._control & _CORE_CLOCK else 8

    def _passed(self) -> int:
        """How often it came to 0."""
        if not self._control & _ENABLE or not self._reload:
            return self._reached
        ticks = (self._cycles() - self._began) // self._per_tick
        return ticks // (self._reload + 1)

    def _value(self) -> int:
        if not self._control & _ENABLE or not self._reload:
            return 0
        ticks = (self._cycles() - self._began) // self._per_tick
        return self._reload - ticks % (self._reload + 1)

    def read(self, offset: int) -> int:
        match offset:
            case 0x10:
                passed, self._is_polled = self._passed(), True
                flag = _COUNTED if passed > self._reached else 0
                self._reached = passed
                return self._control | flag
            case 0x14:
                return self._reload
            case 0x18:
                return self._value()
        return 0x4000_0000  # CALIB: SKEW, no value known

    def peek(self) -> int:
        """The control register without COUNTFLAG, which a read clears."""
        return self._control

    def write(self, offset: int, value: int) -> None:
        match offset:
            case 0x10:
                if value & _ENABLE and not self._control & _ENABLE:
                    self._load()
                self._control = value & (_ENABLE | _TICKINT | _CORE_CLOCK)
            case 0x14:
                self._reload = value & 0xFF_FFFF
                self._load()
            case 0x18:
                self._load()

    def _load(self) -> None:
        self._began, self._reached, self._told = self._cycles(), 0, 0
        self._is_polled = False

    def next_cycle(self) -> int | None:
        """When it asks for its interrupt the next time."""
        if self._control & 3 != 3 or not self._reload:
            return None
        return self._began + (self._told + 1) * (self._reload + 1) * self._per_tick

    def next_flag(self) -> int | None:
        """When COUNTFLAG is set the next time, where software asks for that."""
        if not self._is_polled or not self._control & _ENABLE or not self._reload:
            return None
        return self._began + (self._passed() + 1) * (self._reload + 1) * self._per_tick

    def is_due(self) -> bool:
        """Whether it asks for its interrupt now; once for each time."""
        due = self.next_cycle()
        if due is None or self._cycles() < due:
            return False
        self._told = self._passed()
        return True


class SystemControl:
    """The registers, in front of ``Exceptions``. *changed* is told when something may be due."""

    def __init__(
        self,
        core: str,
        exceptions: Exceptions,
        cycles: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        self._exceptions, self._cycles, self._changed = exceptions, cycles, changed
        self._cpuid = _CPUID[core]
        self.systick = SysTick(cycles)
        self._readers: dict[int, Callable[[], int]] = {
            0x004: lambda: 0x7,  # ICTR: up to 256 interrupts
            0xD00: lambda: self._cpuid,
            0xD04: self._read_icsr,
            0xD08: lambda: exceptions.table,
            0xD0C: lambda: _KEY,
            0xD24: self._read_shcsr,
            0xD28: lambda: exceptions.fault_status,
            0xD2C: lambda: exceptions.hard_fault_status,
            0xD38: lambda: exceptions.fault_address,
        }
        self.reset()

    def reset(self) -> None:
        self.systick.reset()
        self._stored: dict[int, int] = {0xD14: 0x200}  # CCR: STKALIGN
        self._cycle_offset: int | None = None

    def state(self) -> Hashable:
        """All that is not the exceptions'."""
        running = None if self._cycle_offset is None else self._cycles() + self._cycle_offset
        return self.systick.state(), tuple(sorted(self._stored.items())), running

    @property
    def sleeps_deep(self) -> bool:
        """SLEEPDEEP of SCR."""
        return bool(self._stored.get(0xD10, 0) & 4)

    @property
    def pending_is_event(self) -> bool:
        """SCR.SEVONPEND, and something is pending, enabled or not."""
        return bool(self._stored.get(_SCR, 0) & _SEVONPEND and self._exceptions.pending)

    # --- DWT

    def read_cycles(self) -> int:
        """DWT_CYCCNT."""
        return (
            0 if self._cycle_offset is None else self._cycles() + self._cycle_offset & 0xFFFF_FFFF
        )

    def write_cycles(self, value: int) -> None:
        self._cycle_offset = value - self._cycles()

    # --- registers

    def read(self, offset: int, width: int) -> int:
        word = self._read(offset & ~3)
        return word >> 8 * (offset & 3) & (1 << 8 * width) - 1

    def _read(self, offset: int) -> int:
        if 0x10 <= offset < 0x20:
            return self.systick.read(offset)
        if 0x100 <= offset < 0x400:
            return self._read_interrupts(offset)
        if 0x400 <= offset < 0x600:
            first = EXTERNAL + offset - 0x400
            return self._priorities(first)
        if offset in _HANDLERS:
            return self._priorities(_HANDLERS[offset])
        reader = self._readers.get(offset)
        return reader() if reader is not None else self._stored.get(offset, 0)

    def _priorities(self, first: int) -> int:
        values = (self._exceptions.priorities.get(first + n, 0) for n in range(4))
        return sum(value << 8 * n for n, value in enumerate(values))

    def _read_interrupts(self, offset: int) -> int:
        exceptions, first = self._exceptions, (offset & 0x3F) * 8
        match offset & ~0x7F:
            case 0x100 | 0x180:
                bits = exceptions.enabled
            case 0x200 | 0x280:
                bits = _bits(exceptions.pending)
            case 0x300:
                bits = _bits(exceptions.active)
            case _:
                bits = 0
        return bits >> first & 0xFFFF_FFFF

    def _read_icsr(self) -> int:
        exceptions = self._exceptions
        first = exceptions._first()  # noqa: SLF001  VECTPENDING
        active = exceptions.active[-1] if exceptions.active else 0
        value = active | (first or 0) << 12
        value |= (NMI in exceptions.pending) << 31
        value |= (PENDSV in exceptions.pending) << 28 | (SYSTICK in exceptions.pending) << 26
        value |= any(number >= EXTERNAL for number in exceptions.pending) << 22
        return value | (len(exceptions.active) <= 1) << 11  # RETTOBASE

    def _read_shcsr(self) -> int:
        exceptions = self._exceptions
        value = exceptions.fault_enables
        for number, bit in _ACTIVE_BITS.items():
            value |= (number in exceptions.active) << bit
        for number, bit in _PENDING_BITS.items():
            value |= (number in exceptions.pending) << bit
        return value

    def peek(self, offset: int) -> int:
        """The word at *offset*, for a debugger: nothing changes by it."""
        return self.systick.peek() if offset == 0x10 else self.read(offset, 4)

    def write(self, offset: int, width: int, value: int) -> None:
        if 0x400 <= offset < 0x600 or 0xD18 <= offset < 0xD24:
            self._write_priorities(offset, width, value)
        else:
            self._write(offset & ~3, value << 8 * (offset & 3))
        self._changed()

    def _write_priorities(self, offset: int, width: int, value: int) -> None:
        first = offset - 0xD14 if offset >= 0xD18 else EXTERNAL + offset - 0x400
        for n in range(width):
            level = value >> 8 * n & self._exceptions.priority_mask
            self._exceptions.priorities[first + n] = level

    def _write(self, offset: int, value: int) -> None:
        exceptions = self._exceptions
        if 0x10 <= offset < 0x20:
            self.systick.write(offset, value)
            return
        if 0x100 <= offset < 0x400:
            self._write_interrupts(offset, value)
            return
        match offset:
            case 0xD04:
                self._write_icsr(value)
            case 0xD08:
                exceptions.table = value & ~0x7F
            case 0xD0C:
                if value >> 16 == _RESET_KEY and value & _SYSRESETREQ:
                    raise SystemReset("SYSRESETREQ", BASE + offset)
            case 0xD24:
                exceptions.fault_enables = value & sum(ENABLED_BY.values())
            case 0xD28:
                exceptions.fault_status &= ~value
            case 0xD2C:
                exceptions.hard_fault_status &= ~value
            case 0xF00:
                exceptions.pend(EXTERNAL + (value & 0x1FF))
            case _:
                self._stored[offset] = value

    def _write_interrupts(self, offset: int, value: int) -> None:
        exceptions, first = self._exceptions, (offset & 0x3F) * 8
        bits = value << first
        numbers = [EXTERNAL + first + n for n in range(32) if value >> n & 1]
        match offset & ~0x3F:
            case 0x100:
                exceptions.enabled |= bits
            case 0x180:
                exceptions.enabled &= ~bits
            case 0x200:
                exceptions.pending.update(numbers)
            case 0x280:
                still = {n for n in numbers if exceptions.lines >> (n - EXTERNAL) & 1}
                exceptions.pending.difference_update(set(numbers) - still)

    def _write_icsr(self, value: int) -> None:
        exceptions = self._exceptions
        for bit, number in ((31, NMI), (28, PENDSV), (26, SYSTICK)):
            if value >> bit & 1:
                exceptions.pend(number)
        for bit, number in ((27, PENDSV), (25, SYSTICK)):
            if value >> bit & 1:
                exceptions.pending.discard(number)


def _bits(numbers: set[int] | list[int]) -> int:
    return sum(1 << (n - EXTERNAL) for n in numbers if n >= EXTERNAL)

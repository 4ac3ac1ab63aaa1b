"""Timers that count up: CNT from virtual time, update flag and interrupt, one pulse.

RM0351 chapters 26 to 30. PSC counts from the next update on, ARR too where ARPE is set. Not
modelled: counting down and center-aligned, capture, compare outputs, slave modes, repetition (RCR):
their registers hold what is written. A compare flag (CCxIF) is set when CNT passes its CCRx.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor

from flash_emulator.machine.chips.facts import Unit
from flash_emulator.machine.peripherals.base import Chip, Lines, Registers

CR1, DIER, SR, EGR = 0x00, 0x0C, 0x10, 0x14
CNT, PSC, ARR, CCR1 = 0x24, 0x28, 0x2C, 0x34

# --- CR1

CEN = 1 << 0
UDIS = 1 << 1
URS = 1 << 2
OPM = 1 << 3
ARPE = 1 << 7

UIF = 1 << 0  # SR; UIE in DIER, UG in EGR
COMPARES = range(4)  # CC1IF to CC4IF are bits 1 to 4

MEGA = 1_000_000


class Timer(Registers):
    """One timer. *hz* gives the frequency of its clock now, before PSC."""

    _fields = ("_flags", "_count", "_psc", "_arr")
    _moments = ("_since_us",)

    def __init__(
        self, chip: Chip, unit: Unit, lines: Lines, hz: Callable[[], float], *, bits: int = 16
    ) -> None:
        self._top = (1 << bits) - 1
        super().__init__(chip, unit.name, unit.base, resets={ARR: self._top})
        self._irq, self._lines, self._hz = unit.irq, lines, hz
        self._readers = {CNT: self._read_cnt, SR: self._read_sr, EGR: int}
        self._writers = {
            CR1: self._write_cr1,
            DIER: self._write_dier,
            SR: self._write_sr,
            EGR: self._write_egr,
            CNT: self._write_cnt,
            ARR: self._write_arr,
            **{CCR1 + 4 * n: self._compare_writer(CCR1 + 4 * n) for n in COMPARES},
        }
        self._actions = frozenset({EGR})
        self.reset(power_on=True)

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._flags = self._count = self._psc = 0
        self._arr = self._top
        self._since_us: float | None = None  # when CNT was _count; None: it stands still
        self._update()

    # --- counting

    @property
    def _step_us(self) -> float:
        return (self._psc + 1) * MEGA / self._hz()

    def settle(self) -> None:
        """Count up to now. To be called before the frequency of the clock changes, too."""
        if self._since_us is None:
            return
        ticks = floor((self.chip.now_us - self._since_us) / self._step_us + 1e-9)
        to_wrap = self._arr + 1 - self._count if self._count <= self._arr else self._wrap_late()
        if ticks < to_wrap:
            self._pass(ticks)
        else:
            self._pass(to_wrap)
            self._wrap()
            self.settle_many()

    def settle_many(self) -> None:
        """After one update, at CNT = 0: nothing changes from one period to the next."""
        if self._since_us is None:
            return
        ticks = floor((self.chip.now_us - self._since_us) / self._step_us + 1e-9)
        periods, rest = divmod(ticks, self._arr + 1)
        if periods:
            self._flag_compares(0, self._arr + 1)
        self._since_us += periods * (self._arr + 1) * self._step_us
        self._pass(rest)

    def _wrap_late(self) -> int:
        """CNT is beyond ARR already: it goes on to the top."""
        return self._top + 1 - self._count

    def _pass(self, ticks: int) -> None:
        assert self._since_us is not None
        if ticks:
            self._flag_compares(self._count + 1, self._count + 1 + ticks)
            self._count += ticks
            self._since_us += ticks * self._step_us

    def _flag_compares(self, first: int, end: int) -> None:
        for n in COMPARES:
            if first <= self._held.get(CCR1 + 4 * n, 0) < end:
                self._flags |= 2 << n

    def _wrap(self) -> None:
        self._count = 0
        self._flag_compares(0, 1)
        self._event(flag=True)
        if self._held.get(CR1, 0) & OPM:
            self._hold(CR1, self._held.get(CR1, 0) & ~CEN)
            self._since_us = None

    def _event(self, *, flag: bool) -> None:
        """An update: PSC and ARR are taken over, and UIF is set."""
        if self._held.get(CR1, 0) & UDIS:
            return
        self._psc = self._held.get(PSC, 0) & 0xFFFF
        self._arr = self._held.get(ARR, 0) & self._top
        if flag:
            self._flags |= UIF

    # --- registers

    def _read_cnt(self) -> int:
        self.settle()
        self._update()
        return self._count

    def _read_sr(self) -> int:
        self.settle()
        self._update()
        return self._flags

    def _write_cnt(self, value: int) -> None:
        self._count = value & self._top
        if self._since_us is not None:
            self._since_us = self.chip.now_us

    def _write_cr1(self, value: int) -> None:
        self.settle()
        self._hold(CR1, value)
        if value & CEN and self._since_us is None:
            self._since_us = self.chip.now_us
        elif not value & CEN:
            self._since_us = None
        self._update()

    def _write_arr(self, value: int) -> None:
        self.settle()
        self._hold(ARR, value & self._top)
        if not self._held.get(CR1, 0) & ARPE:
            self._arr = value & self._top

    def _write_sr(self, value: int) -> None:
        """Flags are cleared by writing 0."""
        self.settle()
        self._flags &= value
        self._update()

    def _write_dier(self, value: int) -> None:
        self.settle()
        self._hold(DIER, value)
        self._update()

    def _write_egr(self, value: int) -> None:
        """UG: an update by software; with URS without UIF."""
        self.settle()
        self._flags |= value & 0b11110
        if value & UIF:
            self._count = 0
            if self._since_us is not None:
                self._since_us = self.chip.now_us
            self._event(flag=not self._held.get(CR1, 0) & URS)
        self._update()

    def _compare_writer(self, register: int) -> Callable[[int], None]:
        def write(value: int) -> None:
            self.settle()
            self._hold(register, value & self._top)

        return write

    # --- interrupts

    def _update(self) -> None:
        self._lines.set(self._irq, self.name, bool(self._flags & self._held.get(DIER, 0)))

    def next_us(self) -> float | None:
        """When the next flag comes whose interrupt is on."""
        if self._since_us is None or not (enabled := self._held.get(DIER, 0)) & 0b11111:
            return None
        period = self._arr + 1 if self._count <= self._arr else self._top + 1
        ahead = [period - self._count] if enabled & UIF else []
        for n in COMPARES:
            at = self._held.get(CCR1 + 4 * n, 0)
            if enabled & 2 << n and at < period:
                ahead.append((at - self._count - 1) % period + 1)
        return self._since_us + ceil(min(ahead)) * self._step_us if ahead else None

    def tick(self) -> None:
        self.settle()
        self._update()

    def _restored(self) -> None:
        self._update()

"""Standby: RAM is lost, and what wakes the chip resets it.

RM0008 4.3.5, RM0351 5.3.7 and their like. Shutdown is taken for Standby. Stop is taken for sleep:
clocks go on, and SysTick wakes the core, which it does not on a chip. What wakes the chip is the
board's to say (``wake_us``), or IWDG does it, which goes on counting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from flash_emulator.machine.peripherals import Cause, Iwdg, Pwr, Rcc
from flash_emulator.machine.rest import AtRest
from flash_emulator.registers import SystemReset

if TYPE_CHECKING:
    from flash_emulator.machine.machine import Machine

STANDBY, FORBIDDEN = "Standby", "nRST_STDBY"


class LowPower:
    """What deep sleep does to *machine*. *wake_us*: how long it stands by; None: for ever."""

    def __init__(self, machine: Machine, wake_us: float | None) -> None:
        self._machine, self._wake_us = machine, wake_us
        self._pwr = next(p for p in machine.peripherals if isinstance(p, Pwr))
        self._rcc = next(p for p in machine.peripherals if isinstance(p, Rcc))
        self._iwdg = next(p for p in machine.peripherals if isinstance(p, Iwdg))

    @property
    def stands_by(self) -> bool:
        """Whether the next WFI leads to Standby."""
        return self._machine.system.sleeps_deep and self._pwr.stands_by

    def stand_by(self) -> NoReturn:
        """Raises SystemReset, or AtRest where nothing wakes the chip."""
        machine = self._machine
        if machine.flash.options.loaded.get(FORBIDDEN) == 0:
            self._rcc.note(Cause.LOW_POWER)
            raise SystemReset(FORBIDDEN, self._pwr.base)
        now_us, watchdog_us = machine.now_us, self._iwdg.next_us()
        times = [] if self._wake_us is None else [now_us + self._wake_us]
        if watchdog_us is not None:
            times.append(watchdog_us)
        if not times:
            raise AtRest("sleep", "Standby, and nothing wakes the chip")
        if min(times) == watchdog_us:
            self._rcc.note(Cause.IWDG)
        machine.pass_us(max(0.0, min(times) - now_us))
        raise SystemReset(STANDBY, self._pwr.base)

    def woken(self) -> None:
        """The reset that ends Standby is over."""
        self._machine.space.lose_ram()
        self._pwr.note_standby(pin=False)

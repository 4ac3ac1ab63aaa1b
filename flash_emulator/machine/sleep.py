"""WFI, WFE, SEV and YIELD: the core waits for what may come, or finds that nothing will.

Armv7-M Architecture Reference Manual, B1.5.17 and B1.5.18.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash_emulator.machine.rest import AtRest
from flash_emulator.machine.special_instructions import Waits

if TYPE_CHECKING:
    from flash_emulator.machine.machine import Machine

_EVENTS = 100_000  # that do not wake one WFI


class Sleep:
    """Of the core of *machine*."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._idled = 0

    def reset(self) -> None:
        """Power-on."""
        self._idled = 0

    def has_idled_enough(self) -> bool:
        """The core waits once more, in WFI, WFE or ``b .``: whether a boot that only does that is
        at rest."""
        self._idled += 1
        return self._idled > self._machine.limits.wake_ups

    def waits(self, waits: Waits) -> int:
        """The core has come to one of them. Returns the PC behind it, or of it where it sleeps on
        after a pause. Raises AtRest where nothing will wake it, SystemReset where it stands by.

        SEV sets the event register; WFE goes on where it is set and clears it, or sleeps as WFI
        does. YIELD does nothing.
        """
        exceptions, name = self._machine.exceptions, waits.name
        if name == "SEV":
            exceptions.event = True
        elif name != "YIELD" and self.has_idled_enough():
            times = f"{self._machine.limits.wake_ups:,} times"
            raise AtRest("sleep", f"{name}, woken {times}, and the boot does not come to rest")
        elif name == "WFE" and exceptions.event:
            exceptions.event = False
        elif name != "YIELD" and not self._until_woken(name):
            return waits.pc
        return waits.pc + waits.size

    def _until_woken(self, name: str) -> bool:
        """Until an interrupt is pending that wakes the core; False: it sleeps on after a pause."""
        machine = self._machine
        if machine.low_power.stands_by:
            machine.low_power.stand_by()
        for _ in range(_EVENTS):
            machine.tick()
            is_event = name == "WFE" and machine.system.pending_is_event
            if machine.exceptions.wakes() or is_event:
                return True
            if machine.is_paused:
                return False
            if not machine.time.skip():
                raise AtRest("sleep", f"{name}, and no interrupt is enabled that could come")
        raise AtRest("sleep", f"{name}, and {_EVENTS:,} events have not woken it")

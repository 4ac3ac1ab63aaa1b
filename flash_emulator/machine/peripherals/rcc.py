"""RCC: clocks that are ready as soon as they are on, causes of resets, resets of peripherals.

Clock enables of peripherals hold what is written and gate nothing. Times are told in SYSCLK as it
is after a reset (``reset_hz``) until ``clock_tree`` says more.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from flash_emulator.machine.chips.facts import RccFacts
from flash_emulator.machine.peripherals.base import Chip, Peripheral
from flash_emulator.machine.peripherals.status_bits import StatusBits


class Cause(StrEnum):
    """Why the chip was reset, as RCC_CSR or RCC_RSR tells it."""

    POWER_ON = "power_on"
    PIN = "pin"
    SOFTWARE = "software"
    IWDG = "iwdg"
    WWDG = "wwdg"
    OPTIONS = "options"  # the option byte loader; a part without a flag for it shows the pin's
    LOW_POWER = "low_power"


class Rcc(StatusBits):
    """*backup_open* tells whether PWR lets the backup domain be written (DBP)."""

    _fields = ("_causes",)

    def __init__(self, chip: Chip, facts: RccFacts, backup_open: Callable[[], bool]) -> None:
        self._facts, self._backup_open = facts, backup_open
        self._causes = self._bits(Cause.POWER_ON) | self._bits(Cause.PIN)
        self._reset_lines: dict[int, list[tuple[int, Peripheral]]] = {}
        self.backup_domain: list[Callable[[], None]] = []
        """What a reset of the backup domain calls."""
        register, sw, sws, bits = facts.switch
        super().__init__(
            chip,
            "RCC",
            facts.base,
            resets=facts.reset_values,
            follows=[(at, ready, at, on) for _, at, on, ready in facts.ready],
            copies=[(register, sws, register, sw, bits)],
            ones=facts.ones,
        )
        status = self._readers.get(facts.cause_register)
        self._below = status or (lambda: self._held.get(facts.cause_register, 0))
        self._readers[facts.cause_register] = lambda: self._below() & ~self._all | self._causes
        self._writers[facts.cause_register] = self._write_cause
        self._writers[facts.backup_register] = self._write_backup
        self._all = 0
        for cause in Cause:
            self._all |= self._bits(cause)

    def reset(self, *, power_on: bool) -> None:
        """The backup domain and the causes survive a system reset."""
        kept = self._held.get(self._facts.backup_register, 0)
        super().reset(power_on=power_on)
        if power_on:
            self._causes = self._bits(Cause.POWER_ON) | self._bits(Cause.PIN)
        else:
            self._hold(self._facts.backup_register, kept)

    def note(self, cause: Cause) -> None:
        """A reset is about to come for that *cause*. The reset line of the pin follows each."""
        self._causes |= self._bits(cause) | self._bits(Cause.PIN)

    @property
    def sysclk_hz(self) -> float:
        return float(self._facts.reset_hz)

    def apb_hz(self, number: int) -> float:  # noqa: ARG002
        """PCLK1 or PCLK2."""
        return self.sysclk_hz

    def timer_hz(self, apb: int) -> float:
        """The clock of timers on an APB."""
        return self.apb_hz(apb)

    def _bits(self, cause: Cause) -> int:
        return sum(1 << bit for bit in self._facts.causes.get(cause, ()))

    def _write_cause(self, value: int) -> None:
        if value >> self._facts.clear & 1:
            self._causes = 0
        self._hold(self._facts.cause_register, value & ~(1 << self._facts.clear | self._all))

    # --- the backup domain

    def _write_backup(self, value: int) -> None:
        """RCC_BDCR: written only while DBP is set; BDRST resets the whole domain."""
        if not self._backup_open():
            return
        bit = 1 << self._facts.backup_reset
        self._hold(self._facts.backup_register, bit if value & bit else value)
        if value & bit:
            for reset in self.backup_domain:
                reset()

    # --- resets of peripherals

    def wire_reset(self, register: int, bit: int, peripheral: Peripheral) -> None:
        """Bit *bit* of *register* holds *peripheral* in reset."""
        if register not in self._reset_lines:
            self._reset_lines[register] = []
            self._writers[register] = self._reset_writer(register)
        self._reset_lines[register].append((bit, peripheral))

    def _reset_writer(self, register: int) -> Callable[[int], None]:
        lines = self._reset_lines[register]

        def write(value: int) -> None:
            self._hold(register, value)
            for bit, peripheral in lines:
                if value >> bit & 1:
                    peripheral.reset(power_on=False)

        return write

"""PWR: voltage scaling that is ready at once, access to the backup domain, why the chip woke."""

from __future__ import annotations

from flash_emulator.machine.chips.facts import PwrFacts
from flash_emulator.machine.peripherals.base import Chip, Reader, Writer
from flash_emulator.machine.peripherals.status_bits import StatusBits


class Pwr(StatusBits):
    """The flags of Standby and of a wake-up survive the reset that leaving Standby is."""

    _fields = ("_flags",)

    def __init__(self, chip: Chip, facts: PwrFacts) -> None:
        self._facts = facts
        self._flags: tuple[bool, bool] = (False, False)  # Standby, wake-up
        super().__init__(
            chip,
            "PWR",
            facts.base,
            resets=facts.reset_values,
            follows=facts.follows,
            copies=facts.copies,
            ones=facts.ones,
        )
        self._places = (facts.standby, facts.wake_up)
        for register in {place[0] for place in self._places}:
            self._readers[register] = self._with_flags(register)
        for register in {place[2] for place in self._places}:
            self._writers[register] = self._clearer(register)

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        if power_on:
            self._flags = (False, False)

    @property
    def backup_open(self) -> bool:
        """DBP: the backup domain may be written."""
        register, bit = self._facts.backup_access
        return bool(self._held.get(register, 0) >> bit & 1)

    @property
    def stands_by(self) -> bool:
        """Deep sleep is Standby, or Shutdown, by PDDS or LPMS; else Stop."""
        return any(
            self._held.get(register, 0) & mask == value
            for register, mask, value in self._facts.stands_by
        )

    def note_standby(self, *, pin: bool) -> None:
        """The chip leaves Standby, by a wake-up *pin* or by something else."""
        self._flags = (True, pin or self._flags[1])
        self._touched = True

    def _with_flags(self, register: int) -> Reader:
        below = self._readers.get(register) or (lambda: self._held.get(register, 0))
        bits = [(i, bit) for i, (at, bit, _, _) in enumerate(self._places) if at == register]
        hidden = ~sum(1 << bit for _, bit in bits)

        def read() -> int:
            shown = sum(1 << bit for i, bit in bits if self._flags[i])
            return below() & hidden | shown

        return read

    def _clearer(self, register: int) -> Writer:
        bits = [(i, bit) for i, (_, _, at, bit) in enumerate(self._places) if at == register]
        clears = sum({1 << bit for _, bit in bits})

        def write(value: int) -> None:
            flags = list(self._flags)
            for i, bit in bits:
                flags[i] = flags[i] and not value >> bit & 1
            self._flags = flags[0], flags[1]
            self._hold(register, value & ~clears)

        return write

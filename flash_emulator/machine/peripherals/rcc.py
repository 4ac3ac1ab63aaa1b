"""RCC: clocks that are ready as soon as they are on, causes of resets, resets of peripherals.

Clock enables of peripherals hold what is written and gate nothing. SWS follows SW once the clock
that SW names is ready, as a NUCLEO-H563ZI does (labwired-core 229); until then it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from flash_emulator.machine.chips.facts import RccFacts
from flash_emulator.machine.peripherals.base import Chip, Peripheral
from flash_emulator.machine.peripherals.clock_tree import ClockTree
from flash_emulator.machine.peripherals.status_bits import StatusBits

SLOWEST_HZ = 32_000.0
"""In place of no clock at all, with which nothing would ever come to an end."""


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

    _fields = ("_causes", "_source")

    def __init__(
        self, chip: Chip, facts: RccFacts, backup_open: Callable[[], bool], *, hse_hz: int
    ) -> None:
        self._facts, self._backup_open = facts, backup_open
        self._tree = ClockTree(facts.clocks, self.held, hse_hz)
        self._source = 0  # as SW numbers them
        self._clocking = {facts.switch[0], *self._tree.registers}
        self._clocking |= {at for _, at, _, _ in facts.ready}
        self.before_change: list[Callable[[], None]] = []
        """What counts with these clocks, and has to count up to now before they change."""
        self._causes = self._bits(Cause.POWER_ON) | self._bits(Cause.PIN)
        self._reset_lines: dict[int, list[tuple[int, Peripheral]]] = {}
        self.backup_domain: list[Callable[[], None]] = []
        """What a reset of the backup domain calls."""
        register, _, sws, bits = facts.switch
        super().__init__(
            chip,
            "RCC",
            facts.base,
            resets=facts.reset_values,
            follows=[(at, ready, at, on) for _, at, on, ready in facts.ready],
            ones=[*facts.ones, (register, 0)],
        )
        below_switch = self._readers[register]
        hidden = ~(((1 << bits) - 1) << sws)
        self._readers[register] = lambda: below_switch() & hidden | self._source << sws
        status = self._readers.get(facts.cause_register)
        self._below = status or (lambda: self._held.get(facts.cause_register, 0))
        self._readers[facts.cause_register] = lambda: self._below() & ~self._all | self._causes
        self._writers[facts.cause_register] = self._write_cause
        self._writers[facts.backup_register] = self._write_backup
        self._all = 0
        for cause in Cause:
            self._all |= self._bits(cause)

    def _reset(self, *, power_on: bool) -> None:
        """The backup domain and the causes survive a system reset."""
        kept = self._held.get(self._facts.backup_register, 0)
        super()._reset(power_on=power_on)
        self._source = self._wanted
        self._work_out()
        if power_on:
            self._causes = self._bits(Cause.POWER_ON) | self._bits(Cause.PIN)
        else:
            self._hold(self._facts.backup_register, kept)

    def note(self, cause: Cause) -> None:
        """A reset is about to come for that *cause*. The reset line of the pin follows each."""
        self._causes |= self._bits(cause) | self._bits(Cause.PIN)
        self._touched = True

    def _bits(self, cause: Cause) -> int:
        return sum(1 << bit for bit in self._facts.causes.get(cause, ()))

    def _write_cause(self, value: int) -> None:
        if value >> self._facts.clear & 1:
            self._causes = 0
        self._hold(self._facts.cause_register, value & ~(1 << self._facts.clear | self._all))

    # --- clocks

    def apb_hz(self, number: int) -> float:
        """PCLK1 or PCLK2."""
        return self._pclk_hz[number - 1]

    def timer_hz(self, apb: int) -> float:
        """Of timers on an APB: twice its clock where that is divided."""
        return self._timer_hz[apb - 1]

    def write(self, offset: int, width: int, value: int) -> None:
        if offset & ~3 not in self._clocking:
            super().write(offset, width, value)
            return
        for settle in self.before_change:
            settle()
        super().write(offset, width, value)
        wanted = self._wanted
        if wanted != self._source and self._is_ready(wanted):
            self._source = wanted
        self._work_out()

    @property
    def _wanted(self) -> int:
        register, sw, _, bits = self._facts.switch
        return self._held.get(register, 0) >> sw & (1 << bits) - 1

    def _is_ready(self, source: int) -> bool:
        """Whether the clock with that number in SW is there and on."""
        names = self._facts.clocks.switch
        name = names[source] if source < len(names) else ""
        return any(
            self._held.get(register, 0) >> on & 1
            for clock, register, on, _ in self._facts.ready
            if clock == name
        )

    def _work_out(self) -> None:
        """The frequencies that the registers give now. A clock of 0 Hz counts as the slowest."""
        names = self._facts.clocks.switch
        name = names[self._source] if self._source < len(names) else ""
        self.sysclk_hz = self._tree.hz_of(name) or SLOWEST_HZ
        self.hclk_hz = self._tree.ahb_hz(self.sysclk_hz)
        dividers = [self._tree.apb_divider(number) for number in (1, 2)]
        self._pclk_hz = [self.hclk_hz / divider for divider in dividers]
        self._timer_hz = [self.hclk_hz / (max(divider // 2, 1)) for divider in dividers]

    def _restored(self) -> None:
        super()._restored()
        self._work_out()

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

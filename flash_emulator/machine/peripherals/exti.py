"""EXTI: interrupts of pins and of software, lines 0 to 15. RM0351 chapter 14.

Events (EMR), lines of other peripherals and wake-up are not modelled: their registers hold what is
written. A machine that sees a pin change calls ``pin_changed``.
"""

from __future__ import annotations

from collections.abc import Callable

from flash_emulator.machine.chips.facts import ExtiFacts
from flash_emulator.machine.peripherals.base import Chip, Lines, Registers, Writer

LINES = range(16)
ALL = 0xFFFF


class Exti(Registers):
    """*source* gives the value of EXTICR for a line: 0 is port A."""

    _fields = ("_pending",)

    def __init__(
        self, chip: Chip, facts: ExtiFacts, lines: Lines, source: Callable[[int], int]
    ) -> None:
        super().__init__(chip, "EXTI", facts.base)
        self._facts, self._lines, self._source = facts, lines, source
        self._pending: tuple[int, ...] = (0,) * len(facts.pending)
        for index, register in enumerate(facts.pending):
            self._readers[register] = self._reader(index)
            self._writers[register] = self._clearer(index)
        self._writers[facts.software] = self._write_software
        self._writers[facts.mask] = self._write_mask
        self._actions = frozenset(facts.pending)
        self.reset(power_on=True)

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._pending = (0,) * len(self._facts.pending)
        self._update()

    def pin_changed(self, port: str, number: int, level: bool) -> None:
        """An edge on a pin, "C" and 13. Counts where EXTICR has chosen that port."""
        if self._source(number) != ord(port) - ord("A"):
            return
        self._touched = True
        register = self._facts.rising if level else self._facts.falling
        if self._held.get(register, 0) >> number & 1:
            self._raise(1 << number, rising=level)

    def _raise(self, bits: int, *, rising: bool) -> None:
        pending = list(self._pending)
        pending[0 if rising or len(pending) == 1 else 1] |= bits
        self._pending = tuple(pending)
        self._update()

    def _write_software(self, value: int) -> None:
        """A bit that goes from 0 to 1 raises its line; it is cleared with the pending bit."""
        before = self._held.get(self._facts.software, 0)
        self._hold(self._facts.software, value)
        self._raise(value & ~before, rising=True)

    def _write_mask(self, value: int) -> None:
        self._hold(self._facts.mask, value)
        self._update()

    def _reader(self, index: int) -> Callable[[], int]:
        return lambda: self._pending[index]

    def _clearer(self, index: int) -> Writer:
        def write(value: int) -> None:
            pending = list(self._pending)
            pending[index] &= ~value
            self._pending = tuple(pending)
            software = self._facts.software
            self._hold(software, self._held.get(software, 0) & ~value)
            self._update()

        return write

    def _update(self) -> None:
        raised = 0
        for bits in self._pending:
            raised |= bits
        raised &= self._held.get(self._facts.mask, 0)
        for number in LINES:
            irq = self._facts.lines[number]
            self._lines.set(irq, f"EXTI{number}", bool(raised >> number & 1))

    def _restored(self) -> None:
        self._update()

"""Frequencies, from what RCC's registers hold: SYSCLK, HCLK, PCLK1 and PCLK2.

RM0008 chapter 8, RM0090 chapter 7, RM0351 chapter 6, RM0433 chapter 8 and their like. Oscillators
run at their nominal frequency. Fractional parts of a PLL are left out.
"""

from __future__ import annotations

from collections.abc import Callable

from flash_emulator.machine.chips.facts import ClockFacts, Field, PllFacts

Held = Callable[[int], int]
"""What a register of RCC holds, by offset."""


class ClockTree:
    """One chip's. *hse_hz* is the crystal or the clock of the board."""

    def __init__(self, facts: ClockFacts, held: Held, hse_hz: int) -> None:
        self._facts, self._held = facts, held
        self._hz = {**facts.hz, "HSE": hse_hz}
        self.registers = _registers(facts)
        """Those that frequencies follow from."""

    def hz_of(self, source: str) -> float:
        """Of an oscillator or of the PLL, by the name that RCC's table has; 0 of none."""
        name, _, divider = source.partition("/")
        if name.startswith("PLL"):
            hz = self._pll(self._facts.pll)
        elif name == self._facts.msi_name:
            hz = self._msi()
        else:
            hz = float(self._hz.get(name, 0))
            if name == "HSI" and self._facts.hsi_divider is not None:
                hz /= 1 << self._field(self._facts.hsi_divider)
        return hz / int(divider or 1)

    def ahb_hz(self, sysclk_hz: float) -> float:
        for field in self._facts.ahb:
            sysclk_hz /= ahb_divider(self._field((*field, 4)))
        return sysclk_hz

    def apb_divider(self, number: int) -> int:
        """Of PCLK1 or PCLK2."""
        return apb_divider(self._field((*self._facts.apb[number - 1], 3)))

    def _msi(self) -> float:
        """The range in use is that of CR, or, until MSIRGSEL is set, that of Standby."""
        facts = self._facts
        at = facts.msi_range
        if facts.msi_standby is not None and facts.msi_chosen is not None:
            register, bit = facts.msi_chosen
            at = at if self._held(register) >> bit & 1 else facts.msi_standby
        assert at is not None
        index = self._field(at)
        return float(facts.msi_hz[min(index, len(facts.msi_hz) - 1)])

    def _pll(self, pll: PllFacts) -> float:
        source = pll.sources[self._field(pll.source)]
        if not source:
            return 0.0
        divide = self._optional(pll.divide, pll.divide_plus)
        times = min(self._field(pll.times) + pll.times_plus, pll.times_most)
        output = pll.output_factor * self._optional(pll.output, pll.output_plus)
        return self.hz_of(source) * times / (max(divide, 1) * max(output, 1))

    def _optional(self, field: Field | None, plus: int) -> int:
        return 1 if field is None else self._field(field) + plus

    def _field(self, field: Field) -> int:
        register, bit, bits = field
        return self._held(register) >> bit & (1 << bits) - 1


def _registers(facts: ClockFacts) -> frozenset[int]:
    pll = facts.pll
    fields = (facts.hsi_divider, facts.msi_range, facts.msi_chosen, facts.msi_standby)
    of_pll = pll.source, pll.times, pll.divide, pll.output
    places = (*facts.ahb, *facts.apb, *fields, *of_pll)
    return frozenset(place[0] for place in places if place is not None)


def ahb_divider(value: int) -> int:
    """HPRE: from 8 on 2, 4, 8, 16, then 64, 128, 256, 512."""
    if value < 8:
        return 1
    power = value - 7
    return 1 << (power if power <= 4 else power + 1)


def apb_divider(value: int) -> int:
    """PPRE: from 4 on 2, 4, 8, 16."""
    return 1 if value < 4 else 1 << value - 3

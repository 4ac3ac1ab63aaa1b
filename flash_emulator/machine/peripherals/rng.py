"""RNG: numbers that nobody can foretell but who knows the seed. RM0351 chapter 27."""

from __future__ import annotations

from flash_emulator.machine.chips.facts import Unit
from flash_emulator.machine.peripherals.base import WHOLE, Chip, Lines, Registers, ignore

CR, SR, DR = 0x00, 0x04, 0x08
RNGEN = 1 << 2
IE = 1 << 3
DRDY = 1 << 0


class Rng(Registers):
    """The same *seed* gives the same numbers after every power-on. A number is ready at once."""

    _fields = ("_drawn",)

    def __init__(self, chip: Chip, unit: Unit, lines: Lines, seed: int) -> None:
        super().__init__(chip, unit.name, unit.base)
        self._irq, self._lines, self._seed = unit.irq, lines, seed
        self._readers = {SR: self._read_sr, DR: self._read_dr}
        self._writers = {CR: self._write_cr, DR: ignore}
        self.reset(power_on=True)

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        if power_on:
            self._drawn = 0  # a system reset does not make noise repeat itself
        self._update()

    def _read_sr(self) -> int:
        return DRDY if self._held.get(CR, 0) & RNGEN else 0

    def _read_dr(self) -> int:
        if not self._read_sr():
            return 0
        self._drawn += 1
        return mixed(self._seed << 32 | self._drawn)

    def _write_cr(self, value: int) -> None:
        self._hold(CR, value)
        self._update()

    def _update(self) -> None:
        wanted = self._held.get(CR, 0) & (IE | RNGEN) == IE | RNGEN
        self._lines.set(self._irq, self.name, wanted)

    def _restored(self) -> None:
        self._update()


def mixed(value: int) -> int:
    """32 bits of a number of 64, well stirred (the finaliser of MurmurHash3)."""
    whole = (1 << 64) - 1
    value = (value ^ value >> 33) * 0xFF51_AFD7_ED55_8CCD & whole
    value = (value ^ value >> 33) * 0xC4CE_B9FE_1A85_EC53 & whole
    return (value ^ value >> 33) & WHOLE

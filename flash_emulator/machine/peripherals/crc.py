"""The CRC calculation unit. RM0008 chapter 4 (fixed polynomial), RM0351 chapter 15.

Data of any width go in from their highest bit on; the register is kept at the left of 32 bits, so
that one table of a polynomial serves every size from 7 bits up.
"""

from __future__ import annotations

from functools import cache

from flash_emulator.machine.chips.facts import Unit
from flash_emulator.machine.peripherals.base import LANES, WHOLE, Chip, Registers

DR, IDR, CR, INIT, POL = 0x00, 0x04, 0x08, 0x10, 0x14

RESET = 1 << 0
SIZE_SHIFT = 3  # POLYSIZE, 4:3
REV_IN_SHIFT = 5  # 6:5
REV_OUT = 1 << 7
SIZES = (32, 16, 8, 7)  # bits, by POLYSIZE

POLYNOMIAL = 0x04C1_1DB7
ONES = 0xFFFF_FFFF


@cache
def table_of(polynomial: int, bits: int) -> tuple[int, ...]:
    """What 8 bits that are shifted out bring in, for a register at the left of 32 bits."""
    left = polynomial << 32 - bits & WHOLE
    values = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ left if value >> 31 else value << 1) & WHOLE
        values.append(value)
    return tuple(values)


_REVERSED = tuple(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def reverse_bits(value: int, bits: int) -> int:
    """The lowest *bits* of *value*, the other way round."""
    whole = 0
    for shift in (0, 8, 16, 24):
        whole = whole << 8 | _REVERSED[value >> shift & 0xFF]
    return whole >> 32 - bits


class Crc(Registers):
    """The unit that is fixed to Ethernet's polynomial: whole words only."""

    def __init__(self, chip: Chip, unit: Unit) -> None:
        super().__init__(chip, unit.name, unit.base, resets=self._reset_values())
        self._set_up()
        self._writers = {CR: self._write_cr, IDR: self._write_idr}
        self._readers = {CR: self._read_cr, DR: self._read_dr}

    _fields = ("_left",)

    def _reset_values(self) -> dict[int, int]:
        return {}

    def _set_up(self) -> None:
        self._left = ONES
        self._table = table_of(POLYNOMIAL, 32)

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._set_up()

    def write(self, offset: int, width: int, value: int) -> None:
        if offset & ~3 == DR:
            self._touched = True
            self._feed(value & LANES[width], width)
        else:
            super().write(offset, width, value)

    def _feed(self, value: int, width: int) -> None:  # noqa: ARG002  always a word
        self._shift(value, 4)

    def _shift(self, value: int, width: int) -> None:
        left, table = self._left, self._table
        if width == 4:
            left ^= value
            left = left << 8 & WHOLE ^ table[left >> 24]
            left = left << 8 & WHOLE ^ table[left >> 24]
            left = left << 8 & WHOLE ^ table[left >> 24]
            left = left << 8 & WHOLE ^ table[left >> 24]
        else:
            for shift in range(8 * width - 8, -1, -8):
                left ^= (value >> shift & 0xFF) << 24
                left = left << 8 & WHOLE ^ table[left >> 24]
        self._left = left

    def _read_dr(self) -> int:
        return self._left

    def _read_cr(self) -> int:
        return self._held.get(CR, 0)

    def _write_cr(self, value: int) -> None:
        if value & RESET:
            self._left = ONES

    def _write_idr(self, value: int) -> None:
        """Eight bits that are of no use to the unit."""
        self._hold(IDR, value & 0xFF)


class ProgrammableCrc(Crc):
    """Sizes, polynomials, start values, and bits the other way round."""

    def __init__(self, chip: Chip, unit: Unit) -> None:
        super().__init__(chip, unit)
        self._writers |= {IDR: self._hold_idr, POL: self._write_pol}

    def _reset_values(self) -> dict[int, int]:
        return {INIT: ONES, POL: POLYNOMIAL}

    def _set_up(self) -> None:
        self._configure()
        self._start()

    def _configure(self) -> None:
        control = self._held.get(CR, 0)
        self._bits = SIZES[control >> SIZE_SHIFT & 3]
        self._turned = control >> REV_IN_SHIFT & 3
        self._table = table_of(self._held[POL] & (1 << self._bits) - 1, self._bits)

    def _start(self) -> None:
        self._left = self._held[INIT] << 32 - self._bits & WHOLE

    def _feed(self, value: int, width: int) -> None:
        if self._turned:
            value = self._turn(value, width)
        self._shift(value, width)

    def _turn(self, value: int, width: int) -> int:
        """REV_IN: within each byte, half-word or word of what is written."""
        group = min(8 << self._turned - 1, 8 * width)
        turned = 0
        for shift in range(0, 8 * width, group):
            turned |= reverse_bits(value >> shift & (1 << group) - 1, group) << shift
        return turned

    def _read_dr(self) -> int:
        value = self._left >> 32 - self._bits
        if self._held.get(CR, 0) & REV_OUT:
            return reverse_bits(value, self._bits)
        return value

    def _write_cr(self, value: int) -> None:
        self._hold(CR, value & ~RESET)
        bits = self._bits
        self._configure()
        if value & RESET:
            self._start()
        elif bits != self._bits:  # the register is at the right of its 32 bits
            self._left = self._left >> 32 - bits << 32 - self._bits & WHOLE

    def _write_pol(self, value: int) -> None:
        self._hold(POL, value)
        self._configure()

    def _hold_idr(self, value: int) -> None:
        self._hold(IDR, value)

    def write(self, offset: int, width: int, value: int) -> None:
        super().write(offset, width, value)
        if offset & ~3 == INIT:  # "written to CRC_DR" at once, too
            self._start()

    def _restored(self) -> None:
        left = self._left
        self._configure()
        self._left = left

"""FLASH_ECCR of the L4 class and U5: where the first error was, until software has taken note.

RM0440 3.7.7: ECCC and ECCD are cleared by writing 1. The address stays with the first error until
both are.
"""

from __future__ import annotations

ECCIE = 1 << 24
ECCC = 1 << 30  # one bit, corrected
ECCD = 1 << 31  # two bits: NMI
_FLAGS = ECCC | ECCD


class EccRegister:
    """One FLASH_ECCR. *bk_ecc* is the bit that names bank 2, 0 where there is none."""

    def __init__(self, bk_ecc: int = 0) -> None:
        self._bk_ecc = bk_ecc
        self.reset()

    def reset(self) -> None:
        self._enabled = self._flags = self._place = 0

    def state(self) -> tuple[int, int, int]:
        return self._enabled, self._flags, self._place

    def restore(self, state: tuple[int, int, int]) -> None:
        self._enabled, self._flags, self._place = state

    def read(self) -> int:
        return self._flags | self._enabled | self._place

    def write(self, value: int) -> None:
        self._enabled = value & ECCIE
        self._flags &= ~value
        if not self._flags:
            self._place = 0

    def report(self, flag: int, bank: int, offset: int) -> None:
        """An error at *offset* in physical *bank*."""
        if not self._flags:
            self._place = offset | (self._bk_ecc if bank else 0)
        self._flags |= flag & _FLAGS

"""HSEM: hardware semaphores, as one core has them. RM0433 chapter 10, and RM0434.

Nobody else takes one. A second core would have to be asked by code that runs there.
"""

from __future__ import annotations

from flash_emulator.machine.chips.facts import Unit
from flash_emulator.machine.peripherals.base import Chip, Reader, Registers, Writer, ignore

COUNT = 32
LOCK = 1 << 31
OWNER = 0xFFF  # COREID and PROCID
LOCKS_BY_READ = 0x80  # RLR0


class Hsem(Registers):
    """*core* is COREID of the core that is emulated."""

    def __init__(self, chip: Chip, unit: Unit, core: int) -> None:
        super().__init__(chip, unit.name, unit.base)
        self._core = core << 8
        for place in range(0, 4 * COUNT, 4):
            self._writers[place] = self._write(place)
            self._writers[LOCKS_BY_READ + place] = ignore
            self._readers[LOCKS_BY_READ + place] = self._take(place)
        self.reset(power_on=True)

    def _write(self, place: int) -> Writer:
        """Two steps: write who wants it, read who has it. Without LOCK it is released."""

        def write(value: int) -> None:
            held = self._held.get(place, 0)
            if value & LOCK and not held:
                self._hold(place, LOCK | self._core | value & 0xFF)
            elif not value & LOCK and value & OWNER == held & OWNER:
                self._hold(place, 0)

        return write

    def _take(self, place: int) -> Reader:
        """One step: a read locks, with process 0."""

        def read() -> int:
            if not self._held.get(place, 0):
                self._hold(place, LOCK | self._core)
            return self._held[place]

        return read

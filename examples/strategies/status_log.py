"""One number that survives every cut: in two sectors that are written in turns.

    half: state | end        one unit each

The next number is written into the other half; then this half is erased. Where both halves can be
read, the one that the other follows counts: it was complete before the other was begun. What a cut
has left may read so now and otherwise later. So before anything is done on the strength of the
number, ``affirm`` erases the half that does not count: from then on it says the same in every
reading.

A unit holds a byte and its complement, again and again: no program that was cut short makes one
number of another. A unit that cannot be read holds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from examples.strategies.world import Stuck
from flash_emulator import EmulatedFlash

_END = 0x5A


@dataclass(frozen=True, slots=True)
class StatusLog:
    """*halves*: addresses of two sectors. *states*: numbers from 0 up to this one, exclusive.

    *follows* says whether the second number may come right after the first; of two numbers, one at
    most follows the other.
    """

    halves: tuple[int, int]
    unit: int
    states: int
    follows: Callable[[int, int], bool]

    def factory(self, flash: EmulatedFlash, state: int) -> None:
        flash.preload(self.halves[0], self._word(state) + self._word(_END))

    def read(self, flash: EmulatedFlash) -> int:
        """What it says now. Raises Stuck where it says nothing."""
        return self._counting(flash)[1]

    def affirm(self, flash: EmulatedFlash) -> int:
        """What it says, and will say from now on in every reading."""
        number, state = self._counting(flash)
        flash.erase(self.halves[1 - number])
        return state

    def write(self, flash: EmulatedFlash, state: int) -> None:
        """Say *state*; to be called in a power-on that has affirmed what it follows."""
        number, _ = self._counting(flash)
        there = self.halves[1 - number]
        flash.erase(there)
        for place, value in enumerate((state, _END)):
            flash.program(there + place * self.unit, self._word(value))
            if not self._holds(flash, there, place, value):
                raise Stuck(f"the log does not keep {value}")
        flash.erase(self.halves[number])

    def _counting(self, flash: EmulatedFlash) -> tuple[int, int]:
        """The half that counts, and its number."""
        found = [
            (half, state) for half in (0, 1) if (state := self._state(flash, half)) is not None
        ]
        if not found:
            raise Stuck("the log says nothing")
        if len(found) == 2 and self.follows(found[1][1], found[0][1]):
            return found[1]
        return found[0]

    def _state(self, flash: EmulatedFlash, half: int) -> int | None:
        base = self.halves[half]
        if not self._holds(flash, base, 1, _END):
            return None
        return next((v for v in range(self.states) if self._holds(flash, base, 0, v)), None)

    def _holds(self, flash: EmulatedFlash, base: int, place: int, value: int) -> bool:
        return flash.match(base + place * self.unit, self._word(value)) == self.unit

    def _word(self, value: int) -> bytes:
        return bytes([value, value ^ 0xFF]) * (self.unit // 2)

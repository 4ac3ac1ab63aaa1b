"""A supply that decays slowly: what becomes of operations that were complete before it was gone.

No document says how low the supply may be for a pulse to be good, nor for how long BOR lets it fall
before it stops the CPU. RM0090 warns that what is programmed under too low a voltage may read right
and not be retained. So both of these are beside the model's rule that a complete operation holds,
and happen only where they are asked for (``CutAt.decay``):

* ``Decay.LAST``: the last operation of this power-on that was complete is weak: of a program the
  last unit, of an erase the sector, as ``Outcome.WEAK`` leaves them. Whoever read it back in the
  meantime found it right. An erase of a whole bank and a change of option bytes are not weakened.
* ``Decay.DRIFT``: of the sector that this power-on erased last, completely, what is still blank
  drifts back: it reads blank once more or twice, and some zeros then; it is marginal.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from flash_emulator.array import cuts
from flash_emulator.array.cells import Cells
from flash_emulator.array.halt import Halt
from flash_emulator.array.pages import RawUnit
from flash_emulator.device.base import DeviceBase
from flash_emulator.power import Decay


@dataclass(frozen=True, slots=True)
class Programmed:
    """A unit, and what it was before: None for virgin."""

    unit: int
    old: RawUnit | None

    def key(self) -> object:
        return self.unit, self.old


@dataclass(frozen=True, slots=True)
class Erased:
    """A sector, and the cells before its erase."""

    offset: int
    size: int
    before: Cells

    def key(self) -> object:
        """What stands elsewhere is as it was, for nothing was programmed since."""
        return self.offset, self.size, self.before.digest()


class Decaying(DeviceBase):
    """The part of the device that remembers what was completed last, where somebody asks for it."""

    recalls: AbstractSet[Decay]
    _last: Programmed | Erased | None
    _last_erase: tuple[int, int] | None  # offset and size

    def forget_completed(self) -> None:
        """Power was gone, or something else was completed that does not decay."""
        self._last = self._last_erase = None

    def _recalls(self, decay: Decay) -> bool:
        return decay in self.recalls or getattr(self._supply, "decay", None) is decay

    def _completed_program(self, unit: int, old: RawUnit | None) -> None:
        self._last = Programmed(unit, old) if self._recalls(Decay.LAST) else None

    def _completes_erase(self, offset: int, size: int) -> None:
        """To be called before the cells are erased."""
        self._last = None
        self._last_erase = (offset, size) if self._recalls(Decay.DRIFT) else None
        if self._recalls(Decay.LAST):
            before = self.cells.fork()
            before.halt, before.is_open = Halt(), True
            self._last = Erased(offset, size, before)

    def may_decay(self, decay: Decay) -> bool:
        """Whether there is something complete in this power-on that *decay* would make weak."""
        return (self._last if decay is Decay.LAST else self._last_erase) is not None

    def decayed_key(self) -> tuple[object, ...]:
        """What decides, beside the state, what a decay would leave."""
        return (self._last.key() if self._last else None, self._last_erase)

    def decay(self, decay: Decay) -> None:
        """Let it happen now, as power goes."""
        match decay, self._last, self._last_erase:
            case Decay.LAST, Programmed() as last, _:
                self._weaken_program(last)
            case Decay.LAST, Erased() as last, _:
                units, seed = self._units_of(last.offset, last.size), self.draw_seed(last.offset)
                cuts.weaken_erase(self.cells, last.before, units, seed)
            case Decay.DRIFT, _, (int(offset), int(size)):
                cuts.drift(self.cells, self._units_of(offset, size), self.draw_seed(offset))
            case _:
                pass

    def _decay_at_cut(self) -> None:
        """As the supply has it, before what it cuts."""
        decay: Decay | None = getattr(self._supply, "decay", None)
        if decay is not None:
            self.decay(decay)

    def _weaken_program(self, last: Programmed) -> None:
        bits = self.cells.word_bits
        now = cuts.held(self.cells, last.unit)
        old = last.old or RawUnit((1 << bits) - 1)
        self.cells.set_word(
            last.unit, cuts.weak(now, old.word & ~now.word, bits, self._rng(last.unit))
        )
        self._keep_stuck(range(last.unit, last.unit + 1))

    def _units_of(self, offset: int, size: int) -> range:
        return range(offset // self._unit, (offset + size) // self._unit)

"""What of a device a boot may read while a search boots it, and by what states are told apart.

A search takes two boots for one where flash, options and what else ``state_digest`` and
``boot_state`` have are equal. So whatever else the device holds, a boot of a search must not find
out:

* wear and usage are sums over all boots: who asks for them ends the search (``OutsideKey``);
* clock and supply count since power-on: they belong to ``boot_state`` from the first look on, and
  after a point of the run that comes too late. A clock that the boot has put in itself is its own;
* what OPSR says may be forgotten, as content may; who reads it is told so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash_emulator.array.halt import Halt
from flash_emulator.device.clock import VirtualClock
from flash_emulator.device.trace import Halted, Watch
from flash_emulator.device.usage import Usage
from flash_emulator.errors import OutsideKey, UnknownContent
from flash_emulator.parts.part import Part
from flash_emulator.power import PowerSupply, SteadySupply

if TYPE_CHECKING:
    from flash_emulator.array.cells import Cells
    from flash_emulator.device.base import Interrupted


class Guarded:
    """The fields of the device that tell more than a state's key, each behind its property."""

    part: Part
    cells: Cells
    _clock: VirtualClock
    _supply: PowerSupply
    _usage: Usage
    _erase_counts: list[int]
    _interrupted: Interrupted | None
    _watch: Halted | None
    _opsr_forgotten: bool
    _explored: bool  # a search boots it
    _has_own_clock: bool  # of those who boot
    _asked: tuple[str, ...]  # "clock", "supply": what this boot has looked at
    _passed_point: bool

    def leave_search(self) -> None:
        """No boot of a search any more: everything may be asked for, raw cells too."""
        self.cells.halt = Halt()
        self.cells.is_open = True
        self._explored = self._has_own_clock = self._passed_point = False
        self._asked = ()

    def enter_search(self) -> None:
        """A search boots it now."""
        self.leave_search()
        self._clock, self._supply = VirtualClock(), SteadySupply()
        self._explored = True
        self.cells.is_open = False

    # --- sums over all boots

    @property
    def usage(self) -> Usage:
        """Operations and their time since the device was made. OutsideKey in a search."""
        self._not_in_key("usage")
        return self._usage

    @usage.setter
    def usage(self, usage: Usage) -> None:
        self._usage = usage

    @property
    def erase_counts(self) -> list[int]:
        """How often each sector was erased, by sector index. OutsideKey in a search."""
        self._not_in_key("erase_counts")
        return self._erase_counts

    def _not_in_key(self, what: str) -> None:
        if self._explored:
            self.cells.halt.stop(
                OutsideKey(
                    f"the boot reads {what} of the device, which adds up over all boots: a search "
                    "takes states for one that differ in it"
                )
            )

    # --- sums since power-on

    @property
    def clock(self) -> VirtualClock:
        if self._explored and not self._has_own_clock:
            self._ask("clock")
        return self._clock

    @clock.setter
    def clock(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._has_own_clock = True

    @property
    def supply(self) -> PowerSupply:
        if self._explored:
            self._ask("supply")
        return self._supply

    @supply.setter
    def supply(self, supply: PowerSupply) -> None:
        self._supply = supply

    def _ask(self, what: str) -> None:
        if what in self._asked:
            return
        if self._passed_point:
            self.cells.halt.stop(
                OutsideKey(
                    f"the boot reads the {what} of the device after it has yielded a point of its "
                    "run: runs were joined there that differ in it; read it before, or yield it"
                )
            )
        self._asked = (*self._asked, what)

    def _counted(self) -> tuple[object, ...]:
        """What of clock and supply is part of a point of this boot."""
        self._passed_point = True
        return tuple(
            self._clock.now_us if what == "clock" else self._supply.taken for what in self._asked
        )

    # --- OPSR

    @property
    def interrupted(self) -> Interrupted | None:
        """What OPSR says: the operation that the last reset broke off; None where it was none.

        UnknownContent where that is forgotten: *offset* is behind the array then.
        """
        if self._opsr_forgotten:
            if self._watch is not None:
                self._watch.read(self.part.size, 1)
            self.cells.halt.stop(UnknownContent(self.part.size, 1))
        return self._interrupted

    @interrupted.setter
    def interrupted(self, interrupted: Interrupted | None) -> None:
        self._interrupted, self._opsr_forgotten = interrupted, False

    def forget_interrupted(self) -> None:
        """Assume nothing any more of what OPSR says, on parts that have it."""
        self._interrupted, self._opsr_forgotten = None, self.part.opsr

    # --- whoever watches

    @property
    def watch(self) -> Watch | None:
        """Who is told what happens; what it raises to end the boot, the boot cannot hide."""
        return self._watch

    @watch.setter
    def watch(self, watch: Watch | None) -> None:
        self._watch = None if watch is None else Halted(watch, self.cells.halt)

"""Virtual time: a cycle for every two bytes of code, and time in which nothing is executed.

It passes with what is executed and jumps where firmware waits: to the next event of SysTick, a
peripheral or the world outside. So it is the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flash_emulator.machine.meter import Meter
from flash_emulator.machine.system_control import SysTick


class VirtualTime:
    """Of one machine. *events*: when somebody wants to be called, in microseconds; *recheck* lets
    the engine stop before the next block."""

    def __init__(
        self,
        meter: Meter,
        clock_mhz: float,
        events: Callable[[], Iterable[float | None]],
        recheck: Callable[[], object],
    ) -> None:
        self._meter, self._events, self._recheck = meter, events, recheck
        self.clock_mhz = clock_mhz
        self.systick: SysTick
        self.reset()

    def reset(self) -> None:
        """Power-on: nothing has passed."""
        self._skipped = 0  # cycles in which nothing was executed
        self._seen_skipped = 0  # of them, when a loop was last found to wait

    def cycles(self) -> int:
        """Since power-on."""
        return self._meter.counted // 2 + self._skipped

    def now_us(self) -> float:
        """The same in microseconds."""
        return self.cycles() / self.clock_mhz

    def pass_us(self, time_us: float) -> None:
        """Let time pass in which nothing is executed."""
        self._skipped += int(time_us * self.clock_mhz)

    def stop(self, most: int) -> int:
        """Bytes of code that may be counted until somebody wants to be called, *most* at most."""
        event = self.next_event()
        return most if event is None else min(most, max(0, event - self._skipped) * 2)

    def next_event(self) -> int | None:
        """The cycle at which somebody wants to be called."""
        found = [int(at_us * self.clock_mhz) + 1 for at_us in self._events() if at_us is not None]
        tick = self.systick.next_cycle()
        return min(found if tick is None else [*found, tick], default=None)

    def skip(self) -> bool:
        """Nothing happens before the next event: let time jump to it. False where there is none."""
        return self._skip_to(self.next_event())

    def skip_polls(self) -> bool:
        """The same for a loop that asks a register, and maybe SysTick as well. One in which flash
        has done something meanwhile works, and does not wait."""
        if self._skipped != self._seen_skipped:
            self._seen_skipped = self._skipped
            return True
        events = self.next_event(), self.systick.next_flag()
        return self._skip_to(min((at for at in events if at is not None), default=None))

    def _skip_to(self, event: int | None) -> bool:
        if event is None:
            return False
        self._skipped += max(0, event - self.cycles())
        self._seen_skipped = self._skipped
        self._recheck()
        return True

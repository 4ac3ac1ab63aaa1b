"""Takes the moments of a film, while it is made."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.explore.read_choice import ReadChoice
from flash_emulator.explore.touched import Target, target_of, touched
from flash_emulator.moment import Moment, Running

_LAST = 5  # operations that are told before a cut or an end


class Moments:
    """Of one film: told of its boots and operations, asked at cuts and ends."""

    def __init__(self) -> None:
        self._cut: list[Target] = []  # what cuts have touched so far
        self._boot: object = None

    def begin(self, boot: object) -> None:
        """*boot* is about to run. It may have a ``moment()`` that says what runs."""
        self._boot = boot
        self._last: deque[str] = deque(maxlen=_LAST + 1)
        self._target: Target | None = None
        self._running: Running | None = None

    def operation(self, flash: EmulatedFlash, operation: Operation, first: int, cut: int) -> None:
        """*operation* begins, as number *first* of its boot; *cut*: the number that power goes in.
        Registers are looked at now: an engine may go on to the end of a block of instructions."""
        end = first + operation.done - 1
        self._last.append(f"{first}{f' to {end}' if end > first else ''}: {operation}")
        if first <= cut <= end:
            self._target = target_of(flash, operation, cut - first)
            self._running = self._runs()

    def of_cut(self, flash: EmulatedFlash, following: ReadChoice | None) -> Moment:
        """Power has gone, and *flash* is as that has left it."""
        if self._target is None:  # between two operations, or at rest
            return Moment(self._runs(), last=tuple(self._last))
        found = touched(flash, self._target, following)
        self._cut.append(replace(self._target, before=found.after))
        return Moment(self._running, (found,), tuple(self._last)[:-1])

    def of_end(self, flash: EmulatedFlash, read_choice: ReadChoice | None) -> Moment:
        """The boot is over, or something is wrong: what cuts have touched is as it is now."""
        now = tuple(touched(flash, target, read_choice) for target in self._cut)
        return Moment(self._runs(), now, tuple(self._last))

    def _runs(self) -> Running | None:
        tell = getattr(self._boot, "moment", None)
        running: Running | None = None if tell is None else tell()
        return running

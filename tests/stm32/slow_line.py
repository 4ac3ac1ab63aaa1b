"""A line whose bytes take their time, and one that gives back what is sent."""

from __future__ import annotations

import random
from collections import deque

from flash_emulator.bootrom import Chip as EmulatedChip
from tests.stm32.emulated_chip import EmulatedLine, VirtualTime, World, world


class SlowLine(EmulatedLine):
    """*delay_s* from a command to its answer, and up to *jitter_s* more; bytes keep their order."""

    def __init__(
        self, chip: EmulatedChip, clock: VirtualTime, delay_s: float, jitter_s: float = 0.0
    ) -> None:
        super().__init__(chip, clock)
        self.delay_s, self.jitter_s = delay_s, jitter_s
        self.going: deque[tuple[float, bytes]] = deque()
        self._rng = random.Random(7)

    def write(self, data: bytes) -> None:
        super().write(data)
        self.post(self._waiting)
        self._waiting = b""

    def post(self, data: bytes) -> None:
        """*data* is on its way to the host."""
        if data:
            due_s = self.clock.now + self.delay_s + self._rng.uniform(0, self.jitter_s)
            self.going.append((max(due_s, self.going[-1][0] if self.going else 0.0), data))

    def discard_input(self) -> None:
        while self.going and self.going[0][0] <= self.clock.now:
            self.going.popleft()

    def read(self, timeout_s: float) -> bytes:
        deadline_s = self.clock.now + max(timeout_s, 0.0)
        if not self.going or self.going[0][0] > deadline_s:
            self.clock.now = deadline_s
            return b""
        due_s, data = self.going.popleft()
        self.clock.now = max(self.clock.now, due_s)
        return data


class EchoingLine(SlowLine):
    """Gives back what is sent before what the chip says. *joined*: TX to RX, and no chip."""

    def __init__(
        self, chip: EmulatedChip, clock: VirtualTime, delay_s: float = 0.0, *, joined: bool = False
    ) -> None:
        super().__init__(chip, clock, delay_s)
        self.joined = joined

    def write(self, data: bytes) -> None:
        self.post(data)
        if not self.joined:
            super().write(data)


def slow_world(delay_s: float, jitter_s: float = 0.0, **more) -> World:
    one = world(**more)
    one.line = SlowLine(one.chip, one.clock, delay_s, jitter_s)
    return one

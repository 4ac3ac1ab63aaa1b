"""The computer's own time."""

from __future__ import annotations

import time


class MonotonicClock:
    """``Clock`` of what is really there: seconds since it was made, *speed* times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._start_s = time.monotonic()

    def now_s(self) -> float:
        return (time.monotonic() - self._start_s) * self.speed

    def sleep(self, duration_s: float) -> None:
        """*duration_s* as this clock counts them."""
        time.sleep(duration_s / self.speed)

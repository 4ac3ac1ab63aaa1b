"""The computer's own time."""

from __future__ import annotations

import time


class WallClock:
    """``Clock`` of a module that is really there."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        time.sleep(duration_s)

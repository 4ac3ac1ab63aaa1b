"""Virtual time: it passes only when somebody says that something took time."""

from __future__ import annotations


class VirtualClock:
    """Time in whole microseconds since the device was made."""

    __slots__ = ("now_us",)

    def __init__(self, now_us: int = 0) -> None:
        self.now_us = now_us

    def now_s(self) -> float:
        return self.now_us / 1e6

    def sleep(self, duration_s: float) -> None:
        self.advance_us(round(duration_s * 1e6))

    def advance_us(self, duration_us: int) -> None:
        if duration_us < 0:
            raise ValueError(f"time cannot go back: {duration_us} us")
        self.now_us += duration_us

"""SIGINT and SIGTERM as a wish, granted between two steps; and a port that lets it be heard."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from mcu_updater.core.ports import BytePort

_SLICE_S = 0.2  # how soon a wish is heard


class StopRequested(Exception):
    """Raised where the module is waited for and nothing is under way."""


class Stop:
    """Whether somebody wants the program to end."""

    def __init__(self) -> None:
        self.requested = False

    def wait(self, duration_s: float, sleep: Callable[[float], None]) -> None:
        """Sleep, but not through a wish."""
        while duration_s > 0 and not self.requested:
            sleep(min(_SLICE_S, duration_s))
            duration_s -= _SLICE_S

    @contextmanager
    def on_signals(self) -> Iterator[Stop]:
        """The first SIGINT or SIGTERM is a wish, the second KeyboardInterrupt."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, self._on_signal)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class StoppablePort:
    """*port*, whose waits end with StopRequested where they are longer than *answer_s*.

    A wait for an answer goes on to its end. *before_write* is called before each write.
    """

    def __init__(
        self, port: BytePort, stop: Stop, answer_s: float, before_write: Callable[[bytes], None]
    ) -> None:
        self._port = port
        self._stop = stop
        self._answer_s = answer_s
        self._before_write = before_write

    def write(self, data: bytes) -> None:
        self._before_write(data)
        self._port.write(data)

    def read(self, timeout_s: float) -> bytes:
        left_s = timeout_s
        while True:
            if self._stop.requested and timeout_s > self._answer_s:
                raise StopRequested
            slice_s = min(_SLICE_S, left_s)
            data = self._port.read(slice_s)
            left_s -= slice_s
            if data or left_s <= 0:
                return data

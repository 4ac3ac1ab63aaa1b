"""The wire from a client to an emulated module or a playback: a BytePort whose bytes cost time."""

from __future__ import annotations

from collections.abc import Callable

from mcu_updater.core.errors import PortError
from mcu_updater.core.ports import Clock
from mcu_updater.quectel.emulated.transcript import Conversation

BITS_PER_BYTE = 10  # 8N1


class ModulePipe:
    """Full duplex without flow control; 115200 baud is the default of QuecThing modules.

    Waiting costs no real time: where nothing is to be read, the clock sleeps until the module's
    next deadline or the end of the timeout.
    """

    def __init__(
        self,
        module: Conversation,
        clock: Clock,
        baud: int = 115_200,
        on_write: Callable[[bytes], None] | None = None,
    ) -> None:
        if baud <= 0:
            raise ValueError(f"baud must be positive, not {baud}")
        self.module = module
        self.bytes_sent = 0
        self.bytes_received = 0
        self._clock = clock
        self._on_write = on_write  # called with it, before anything is sent
        self._byte_time_s = BITS_PER_BYTE / baud
        self._ended = False

    def unplug(self) -> None:
        """From now on every call raises PortError."""
        self._ended = True

    def write(self, data: bytes) -> None:
        self._check()
        if self._on_write is not None:
            self._on_write(data)
        self._clock.sleep(len(data) * self._byte_time_s)
        self.bytes_sent += len(data)
        self.module.receive(data, self._clock.now_s())

    def read(self, timeout_s: float) -> bytes:
        self._check()
        now_s = self._clock.now_s()
        deadline_s = now_s + timeout_s
        self.module.advance(now_s)
        while True:
            data = self.module.transmit()
            if data:
                return self._arrived(data)
            if now_s >= deadline_s:
                return b""
            now_s = self._sleep_until(self._next_moment_s(deadline_s))
            self.module.advance(now_s)

    def _next_moment_s(self, deadline_s: float) -> float:
        due_s = self.module.next_deadline()
        return deadline_s if due_s is None else min(due_s, deadline_s)

    def _sleep_until(self, moment_s: float) -> float:
        """Returns *moment_s* at least, so that rounding cannot stop short of a deadline."""
        self._clock.sleep(max(0.0, moment_s - self._clock.now_s()))
        return max(moment_s, self._clock.now_s())

    def _arrived(self, data: bytes) -> bytes:
        self._clock.sleep(len(data) * self._byte_time_s)
        self.bytes_received += len(data)
        return data

    def _check(self) -> None:
        if self._ended or self.module.unplugged:
            raise PortError(
                "the module is gone",
                where="emulated module",
                expected="an open pipe",
                found="end of file",
                then="Plug it in and run again: the update is carried on from what was stored",
            )

"""The two things that the core needs from outside: bytes and time. Protocols only."""

from __future__ import annotations

from typing import Protocol


class BytePort(Protocol):
    """A byte pipe to the module: a UART, a socket, a pty, or the emulated module."""

    def write(self, data: bytes) -> None:
        """Send all of *data*, as one write. Raises PortError when the other end is gone."""

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, at least one byte, or ``b""`` after *timeout_s* of silence.

        Raises PortError when the other end is gone.
        """


class Clock(Protocol):
    """Time as the device sees it; virtual on the emulated board."""

    def now_s(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, duration_s: float) -> None:
        """Let *duration_s* pass."""

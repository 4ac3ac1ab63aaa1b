"""The pins of a served chip on the modem lines of its client, as a serial adapter wires them.

A pty has no modem lines. Whoever stands in for them writes their changes to a FIFO, one a line:
``DTR 1`` where the client asserts DTR, ``RTS 0`` where it lets RTS go; ``LOW_LATENCY 1`` where it
asks the driver for that mode, in which an FTDI's latency timer is 1 ms (Linux, ftdi_sio).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from flash_emulator.bootrom import Line
from mcu_updater.core.errors import PortError

_PINS, _LINES = ("boot0", "nrst"), ("dtr", "rts")
_LOW_LATENCY_MS = 1.0


@dataclass(frozen=True, slots=True)
class Wiring:
    """By pin: its line, and whether an asserted line pulls it low."""

    pins: tuple[tuple[str, str, bool], ...]

    @classmethod
    def parse(cls, text: str) -> Wiring:
        """``nrst=!dtr,boot0=rts``. Raises ValueError that says what is possible."""
        pins = []
        for one in text.split(","):
            pin, _, line = one.partition("=")
            name = line.removeprefix("!")
            if pin not in _PINS or name not in _LINES:
                raise ValueError(f"{one!r} is no boot0= or nrst= with dtr, rts, !dtr or !rts")
            pins.append((pin, name, line.startswith("!")))
        return cls(tuple(pins))


class Pins:
    """Reads the FIFO at *path*, which is made where there is none, and moves the chip's pins."""

    def __init__(self, line: Line, wiring: Wiring, path: Path) -> None:
        self._line, self._chip, self._wiring = line, line.chip, wiring
        self._latency_ms = line.speed.latency_ms
        try:
            if not path.exists():
                os.mkfifo(path, 0o600)
            if not stat.S_ISFIFO(path.stat().st_mode):
                raise OSError("it is something else")
            self.fileno = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            raise PortError(
                "the modem lines cannot be read",
                where=str(path),
                expected="a FIFO, or a free name",
                found=error.strerror or str(error),
            ) from error
        self._pending = b""

    def read(self) -> None:
        *lines, self._pending = (self._pending + os.read(self.fileno, 4096)).split(b"\n")
        for line in lines:
            name, _, level = line.decode(errors="replace").partition(" ")
            self._moved(name.lower(), level == "1")

    def _moved(self, line: str, is_asserted: bool) -> None:
        if line == "low_latency":
            low_ms = min(_LOW_LATENCY_MS, self._latency_ms)
            self._line.set_latency(low_ms if is_asserted else self._latency_ms)
        for pin, name, is_inverted in self._wiring.pins:
            if name != line:
                continue
            level = is_asserted != is_inverted
            if pin == "boot0":
                self._chip.boot0 = level
            else:
                self._chip.set_nrst(level)

    def close(self) -> None:
        os.close(self.fileno)

"""A host's line as clients of boot ROMs and modules want it: a port whose ``read`` takes a time,
and a clock beside it."""

from __future__ import annotations

from flash_emulator.machine.hosts.line import Line
from flash_emulator.machine.outside import BAUD


class LinePort:
    """``write``, ``read(timeout_s)``, a speed that nobody can set, and no modem lines. It is a
    ``RomLine`` of ``mcu_updater.stm32``."""

    can_reset = can_set_baud = wants_full_packets = False

    def __init__(self, line: Line, baud: int = BAUD) -> None:
        self._line, self.baud = line, baud

    def write(self, data: bytes) -> None:
        """All of *data*. Returns at once; a read waits from when all is out."""
        self._line.write(data)

    def read(self, timeout_s: float) -> bytes:
        """What has come, at least one byte; none after *timeout_s*."""
        return self._line.read(None, timeout_s)

    def discard_input(self) -> None:
        """Drop what has come."""
        self._line.drop()

    def set_baud(self, baud: int) -> None:
        """Raises OSError: the board says how fast the line is."""
        raise OSError(f"the line has {self.baud} baud, and not {baud}: [host] baud says so")

    def set_modem_line(self, name: str, asserted: bool) -> None:
        """Raises OSError: there is none."""
        raise OSError(f"no line {name.upper()} to be {'asserted' if asserted else 'released'}")


class LineClock:
    """Virtual time."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def now_s(self) -> float:
        """Since the device was powered on."""
        return self._line.now_s()

    def sleep(self, duration_s: float) -> None:
        """Let *duration_s* pass."""
        self._line.wait(duration_s)

"""The line to a chip's boot ROM over a serial port, and what each kind of port cannot do.

The ROM wants even parity. A pty has none: the kernel clears PARENB, and pyserial then fails at the
next change of a setting (pyserial issue 196). So a pty is known by what it lacks, modem lines, and
opened without parity. A TCP socket has neither parity nor speed nor modem lines, and pyserial
takes all three without a word; the user is told.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mcu_updater.core.errors import PortError, Remedy
from mcu_updater.host.serial_port import PARITY_EVEN, ROM_LOG, SerialPort, open_port
from mcu_updater.host.usb import adapter_name, is_ftdi, list_usb_ports
from mcu_updater.stm32.line import LineName

_SYSFS_TIMER = "/sys/class/tty/{}/device/latency_timer"  # linux, drivers/usb/serial/ftdi_sio.c
_DRAIN_S = 0.002

_REFUSALS: tuple[type[Exception], ...] = (OSError, ValueError)
"""What pyserial raises where a port does not take a setting."""
try:
    import fcntl
    import termios
except ImportError:  # Windows: it has no pty, and every port has modem lines
    _CAN_ASK = False
else:
    _CAN_ASK = True
    _REFUSALS += (termios.error,)


class SerialRomLine:
    """``RomLine`` over pyserial. *notes* say what this port cannot do, for the user's eyes."""

    def __init__(self, port: SerialPort, *, full_packets: bool, scheme: str, is_pty: bool) -> None:
        self.notes: list[str] = []
        self._port = port
        self._full_packets = full_packets
        self.can_reset = not is_pty and scheme != "socket"
        self.can_set_baud = scheme != "socket"

    @property
    def name(self) -> str:
        return self._port.name

    @property
    def adapter(self) -> str:
        """What tells it from another one, at any path."""
        if "://" in self.name:
            return self.name
        return adapter_name(os.path.realpath(self.name), list_usb_ports())

    @property
    def baud(self) -> int:
        return int(self._port.settings.baudrate)

    @property
    def wants_full_packets(self) -> bool:
        return self._full_packets

    @property
    def latency_ms(self) -> float | None:
        """What the bridge's driver says of its timer; None where there is none to ask."""
        return latency_timer_ms(self._port.name)

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def read(self, timeout_s: float) -> bytes:
        return self._port.read(timeout_s)

    def discard_input(self) -> None:
        while self._port.read(_DRAIN_S):
            pass

    def set_baud(self, baud: int) -> None:
        if not self.can_set_baud:
            raise self._cannot("a TCP socket has no baud rate", "Use rfc2217://, or a device path")
        if baud == self.baud:
            return
        try:
            self._port.settings.baudrate = baud
        except _REFUSALS as error:
            raise self._cannot(f"{baud} baud: {error}", remedies=[Remedy.OTHER_BAUD]) from error

    def set_modem_line(self, name: LineName, asserted: bool) -> None:
        if not self.can_reset:
            raise self._cannot("this port has no DTR and RTS", "Reset the chip by hand")
        try:
            setattr(self._port.settings, name, asserted)
        except (OSError, ValueError) as error:
            raise self._cannot(f"{name.upper()}: {error}", "Reset the chip by hand") from error

    def close(self) -> None:
        self._port.close()

    def _cannot(self, found: str, then: str = "", remedies: Sequence[Remedy] = ()) -> PortError:
        return PortError(
            "the port cannot do that", where=self.name, found=found, then=then, remedies=remedies
        )


def open_rom_line(name: str, baud: int, *, full_packets: bool | None = None) -> SerialRomLine:
    """Open *name* for the ROM: 8E1 where there is parity. Raises PortError.

    *full_packets*: read what fills an FTDI's packets; None: where the port is one's, or nobody can
    tell what the bridge is.
    """
    scheme = name.partition("://")[0] if "://" in name else ""
    if scheme == "rfc2217":
        port, note = _open_remote(name, baud)
        line = SerialRomLine(port, full_packets=full_packets or False, scheme=scheme, is_pty=False)
        line.notes += [note] if note else []
        line.notes.append("rfc2217: each change of speed or modem line takes about 0.1 s")
        return line
    port = open_port(name, baud, log=ROM_LOG)
    is_pty = scheme != "socket" and not _has_modem_lines(port)
    if full_packets is None:
        full_packets = is_pty or is_ftdi(os.path.realpath(name), list_usb_ports())
    line = SerialRomLine(port, full_packets=full_packets, scheme=scheme, is_pty=is_pty)
    if scheme == "socket":
        line.notes.append(
            "socket: a TCP connection has no baud rate, no parity, no DTR and RTS; the other end "
            "must have set 8E1, and the chip must be in its ROM already"
        )
    elif is_pty:
        line.notes.append(f"{name} is a pty: no parity (8N1 instead of 8E1), no DTR and RTS")
    else:
        _set_parity(port)
    return line


def _set_parity(port: SerialPort) -> None:
    try:
        port.settings.parity = PARITY_EVEN
    except _REFUSALS as error:
        port.close()
        raise PortError(
            "the port takes no parity", where=port.name, expected="8E1", found=str(error)
        ) from error


def _open_remote(name: str, baud: int) -> tuple[SerialPort, str]:
    """A server in front of a pty refuses parity; then there is none to be had."""
    try:
        return open_port(name, baud, parity=PARITY_EVEN, log=ROM_LOG), ""
    except PortError:
        port = open_port(name, baud, log=ROM_LOG)
        return port, "rfc2217: the server takes no even parity; going on with 8N1"


def _has_modem_lines(port: SerialPort) -> bool:
    """A pty answers ENOTTY; so does anything else that is no serial device."""
    if not _CAN_ASK:
        return True
    try:
        fcntl.ioctl(port.settings.fileno(), termios.TIOCMGET, struct.pack("I", 0))
    except (OSError, ValueError, AttributeError):
        return False
    return True


def latency_timer_ms(name: str) -> float | None:
    """The FTDI driver's latency timer for a device path."""
    path = Path(_SYSFS_TIMER.format(Path(os.path.realpath(name)).name))
    with suppress(OSError, ValueError):
        return float(path.read_text())
    return None

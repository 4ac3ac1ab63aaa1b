"""A byte port by name, through pyserial: a device path, or one of its URLs.

What pyserial leaves to do: TCP_NODELAY on ``socket://`` (without it a command may wait 40 ms for
the other end's delayed ACK), reads of all that has arrived, and errors that say what to do.
Nothing is set on a port after it was opened: on a pty that may fail, over RFC 2217 it takes 0.1 s.

Every byte that crosses is logged, at level DEBUG: ``mcu_updater.line.at`` and ``.rom``, ``>`` what
was sent, ``<`` what came. Nobody hears it unless a program asks for that logger; it has imported
``logging`` then, which is not done here for those who do not.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mcu_updater.core.errors import PortError, Remedy
from mcu_updater.host.usb import PortLister, find_module_port, list_usb_ports

if TYPE_CHECKING:
    import serial  # imported when a port is opened: it takes time, and its backend is the system's

DEFAULT_BAUD = 115_200  # of QuecThing modules
PARITY_NONE, PARITY_EVEN = "N", "E"  # as pyserial has them
AT_LOG, ROM_LOG = "mcu_updater.line.at", "mcu_updater.line.rom"  # loggers
_READ_SIZE = 4096
_POLL_S = 0.05  # of ports that cannot be waited for as a file
_WRITE_TIMEOUT_S = 5.0  # no frame is longer than some 100 bytes
_QUIET_S, _LONGEST_DRAIN_S = 0.3, 3.0


class SerialPort:
    """``BytePort`` over an open pyserial port. *polled*: it has no file to wait for."""

    def __init__(self, port: serial.Serial, name: str, *, polled: bool, log: str = AT_LOG) -> None:
        self.name = name
        self._log = log
        self.settings = port  # baud rate, parity and modem lines
        self._port = port
        self._fd = None if polled else port.fileno()

    def write(self, data: bytes) -> None:
        self._note(">", data)
        try:
            self._port.write(data)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise self._gone(error) from error

    def read(self, timeout_s: float) -> bytes:
        try:
            data = self._poll(timeout_s) if self._fd is None else self._wait(self._fd, timeout_s)
        except (OSError, ValueError) as error:
            raise self._gone(error) from error
        if data is None:
            raise self._gone("end of file")
        self._note("<", data)
        return data

    def _note(self, direction: str, data: bytes) -> None:
        logging = sys.modules.get("logging")
        if not data or logging is None:
            return
        logger = logging.getLogger(self._log)
        if logger.isEnabledFor(logging.DEBUG):
            shown = data.hex(" ") if self._log == ROM_LOG else repr(data)[2:-1]
            logger.debug("%s %s", direction, shown)

    def _wait(self, fd: int, timeout_s: float) -> bytes | None:
        """None at the end of the file: a file that can be read and holds nothing."""
        if not select.select([fd], [], [], timeout_s)[0]:
            return b""
        return os.read(fd, _READ_SIZE) or None

    def _poll(self, timeout_s: float) -> bytes:
        deadline_s = time.monotonic() + timeout_s
        while True:
            waiting = self._port.in_waiting
            if not waiting and time.monotonic() >= deadline_s:
                return b""
            data = bytes(self._port.read(max(1, waiting)))  # ends after _POLL_S
            if data:
                return data

    def drain(self) -> None:
        """Let go by what was meant for somebody else: the rest of an answer to a killed run.

        It may be firmware, which can look like anything. Ends at a silence, or after 3 s.
        """
        deadline_s = time.monotonic() + _LONGEST_DRAIN_S
        while self.read(_QUIET_S) and time.monotonic() < deadline_s:
            pass

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self._port.close()

    def _gone(self, found: object) -> PortError:
        return PortError(
            "the port is gone",
            where=self.name,
            expected="an open port",
            found=str(found),
            then="Plug it in and run again: the update is carried on from what was stored",
        )


def open_port(
    name: str,
    baud: int = DEFAULT_BAUD,
    lister: PortLister = list_usb_ports,
    *,
    parity: str = PARITY_NONE,
    log: str = AT_LOG,
) -> SerialPort:
    """The port *name*: a path, ``auto``, or a URL of pyserial. Raises PortError.

    *log*: the logger that gets what crosses the line.
    """
    import serial

    name = find_module_port(lister()) if name == "auto" else name
    scheme = name.partition("://")[0] if "://" in name else ""
    try:
        port = serial.serial_for_url(
            name,
            baudrate=baud,
            parity=parity,
            timeout=_POLL_S,
            write_timeout=None if scheme == "rfc2217" else _WRITE_TIMEOUT_S,  # it has none
            exclusive=True if scheme in ("", "hwgrep") else None,
        )
    except (OSError, ValueError) as error:
        raise _unopened(name, error) from error
    if scheme == "socket":
        _send_at_once(port)
    else:
        with suppress(AttributeError, OSError, ValueError):  # only some drivers have it
            port.set_low_latency_mode(True)
    polled = os.name != "posix" or scheme in ("rfc2217", "spy")
    return SerialPort(port, name, polled=polled, log=log)


def _send_at_once(port: serial.Serial) -> None:
    """TCP_NODELAY: pyserial 3.5 does not set it (pyserial issue 768)."""
    with socket.socket(fileno=os.dup(port.fileno())) as twin:
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


# --- what to say when it cannot be opened -------------------------------------------------


def _unopened(name: str, error: OSError | ValueError) -> PortError:
    return PortError(
        "the port cannot be opened",
        where=name,
        found=str(error),
        then=_hint(name, error),
        remedies=[Remedy.FIND_PORT],
    )


def _hint(name: str, error: OSError | ValueError) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EACCES or "Permission denied" in str(error):
        return (
            f"Your user may not use it: sudo usermod -aG {_group_of(name)} $USER, then log in again"
        )
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return f"Another program has it{_modem_manager()}"
    if "://" in name:
        return "Check host, port and spelling; known are socket, rfc2217, hwgrep and spy"
    return "Check the cable and the name"


def _group_of(name: str) -> str:
    try:
        return Path(name).group()
    except (OSError, KeyError):
        return "dialout"


def _modem_manager() -> str:
    """ModemManager opens every modem that it sees, and talks to it."""
    if not runs_modem_manager(Path("/proc")):
        return ""
    return (
        ": ModemManager runs, and opens every modem. Stop it (sudo systemctl stop ModemManager), "
        "or keep it away with a udev rule: ENV{ID_MM_DEVICE_IGNORE}=1"
    )


def runs_modem_manager(proc: Path) -> bool:
    for comm in proc.glob("[0-9]*/comm"):
        with suppress(OSError):
            if comm.read_text().strip() == "ModemManager":
                return True
    return False

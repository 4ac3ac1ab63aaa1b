"""``--module PORT`` and what belongs to it: options to an open port, and a board behind it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import click

from mcu_updater.board import Attachment, Board, save_board
from mcu_updater.cli import line_log
from mcu_updater.cli.decorators import together
from mcu_updater.cli.names import NameChoice
from mcu_updater.core.session import Policy
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.host.serial_port import DEFAULT_BAUD, SerialPort, open_port
from mcu_updater.host.stop import Stop, StoppablePort
from mcu_updater.host.usb import is_ftdi, list_usb_ports
from mcu_updater.quectel.checks import Wanted
from mcu_updater.quectel.link import DEFAULT_DIALECT, Dialect

_LINE_ENDS = {"crlf": b"\r\n", "cr": b"\r"}
_FTDI_PACKET = 62  # bytes of data in a USB packet of 64
_ERROR_DOUBTS = 2  # a UART loses a byte now and then; three times in a row it is no accident
_SAVE_EVERY_S = 1.0  # while firmware is read

PORT_HELP = (
    "The module's port: a path, auto (by USB identity), or socket://HOST:PORT, "
    "rfc2217://HOST:PORT, hwgrep://PATTERN, spy://PORT."
)


@dataclass(frozen=True, kw_only=True)
class ModuleOptions:
    """Of ``module_options``. Times in seconds."""

    baud: int
    echo: bool
    line_end: str
    timeout: float
    verdict_wait: float
    plan_once: bool
    register: int
    battery: int | None  # percent
    signal: int | None  # dBm
    read_ahead: bool
    usb_packet: int | None  # bytes
    flash_time: bool


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How to get to a module, and how to speak to it."""

    name: str
    baud: int
    dialect: Dialect
    battery: int | None
    signal: int | None
    flash_time: bool

    @classmethod
    def of(cls, port: str, given: ModuleOptions, read_size: int) -> LinkOptions:
        """*read_size*: bytes of one AT+QIOTOTARD."""
        dialect = replace(
            DEFAULT_DIALECT,
            line_end=_LINE_ENDS[given.line_end],
            echo=given.echo,
            max_read=read_size,
            request_before_confirm=True,
            error_doubts=_ERROR_DOUBTS,
            usb_packet=given.usb_packet,
            read_ahead=given.read_ahead,
            registration_mode=given.register,
            response_timeout_s=given.timeout,
        )
        return cls(port, given.baud, dialect, given.battery, given.signal, given.flash_time)

    def open(self) -> SerialPort:
        """Open the port and let go by what waits there. Raises PortError."""
        line_log.start()
        port = open_port(self.name, self.baud)
        port.drain()
        return port

    def attach(
        self, board: Board, port: SerialPort, stop: Stop, saver: BoardSaver, wanted: Wanted | None
    ) -> None:
        """Let *board* have the module behind *port*."""
        dialect = self.dialect
        if dialect.usb_packet is None and is_ftdi(port.name, list_usb_ports()):
            dialect = replace(dialect, usb_packet=_FTDI_PACKET)
        stoppable = StoppablePort(port, stop, dialect.response_timeout_s, saver.before_write)
        board.attachment = Attachment(
            stoppable, MonotonicClock(), dialect, wanted, self.battery, self.signal
        )
        if self.flash_time:
            board.let_time_pass()


class BoardSaver:
    """Keeps the file of a board that may be killed at any moment.

    What the module is told follows from what is in flash, so flash is saved first. A read changes
    nothing in the module: before one, the file may be a second old, and the start after a kill
    does again what it did since.
    """

    def __init__(self, board: Board, path: Path | None) -> None:
        self._board = board
        self._path = path
        self._saved = self._state()
        self._saved_at_s = time.monotonic()

    def before_write(self, data: bytes) -> None:
        fresh = time.monotonic() - self._saved_at_s < _SAVE_EVERY_S
        if self._path is None or (fresh and data.startswith(b"AT+QIOTOTARD=")):
            return
        if self._state() != self._saved:
            save_board(self._board, self._path)
            self._saved, self._saved_at_s = self._state(), time.monotonic()

    def _state(self) -> tuple[int, int, tuple[tuple[str, object], ...]]:
        device = self._board.device
        options = tuple(sorted(device.options.loaded.items()))
        return device.usage.programs, device.usage.erases, options


# All but ``--module`` itself, which one command needs and the other may have.
module_options = together(
    line_log.line_log_option,
    click.option(
        "--baud",
        type=click.IntRange(min=1),
        default=DEFAULT_BAUD,
        show_default=True,
        metavar="N",
        help="Module behind a port: baud rate.",
    ),
    click.option(
        "--echo/--no-echo",
        default=False,
        help="Enable command echo (ATE1).  [default: off]",
    ),
    click.option(
        "--line-end",
        type=NameChoice(sorted(_LINE_ENDS)),
        default="crlf",
        show_default=True,
        help="What ends a command.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0.3),
        default=DEFAULT_DIALECT.response_timeout_s,
        show_default=True,
        metavar="S",
        help="Longest wait for an answer.",
    ),
    click.option(
        "--verdict-wait",
        type=click.FloatRange(min=0),
        default=Policy().verdict_s,
        show_default=True,
        metavar="S",
        help="How long the module may take to answer a version with 10705 or 10706.",
    ),
    click.option(
        "--plan-once",
        is_flag=True,
        help="Accept a plan after a single announcement. Nothing guards its version but the line, "
        "so it is asked for twice; for platforms that do not say it again.",
    ),
    click.option(
        "--register",
        type=click.IntRange(1, 2),
        default=DEFAULT_DIALECT.registration_mode,
        show_default=True,
        help="Registration of a module that is off: 1 now, 2 now and at every boot of it.",
    ),
    click.option(
        "--battery",
        type=click.IntRange(0, 100),
        metavar="%",
        help="The device's battery, held against what the plan asks for.  "
        "[default: what the module says]",
    ),
    click.option(
        "--signal",
        type=click.IntRange(-200, 0),
        metavar="DBM",
        help="The device's signal, held against what the plan asks for.  "
        "[default: what the module says]",
    ),
    click.option(
        "--read-ahead/--no-read-ahead",
        default=True,
        help="Read on while flash is written.  [default: on]",
    ),
    click.option(
        "--usb-packet",
        type=click.IntRange(min=8),
        metavar="N",
        help="Fit reads to USB packets of N bytes.  [default: 62 behind an FTDI bridge]",
    ),
    click.option(
        "--flash-time/--no-flash-time",
        default=False,
        help="Let the emulated flash take its time.  [default: off]",
    ),
)

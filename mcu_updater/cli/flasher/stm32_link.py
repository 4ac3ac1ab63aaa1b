"""``--port PORT`` and what belongs to it: from options to a chip behind its boot ROM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

from flash_emulator import Part
from flash_emulator.an3155 import FIRST_RESERVED
from mcu_updater.cli import answers, line_log, paths
from mcu_updater.cli.decorators import together
from mcu_updater.cli.flasher.chips import BitReader, chip_of, chips_with, choose_chip, confirm_chip
from mcu_updater.cli.flasher.stm32_screen import FlasherScreen, open_flasher_screen
from mcu_updater.cli.names import PART, PART_METAVAR
from mcu_updater.cli.params import size_of
from mcu_updater.cli.unused import refuse
from mcu_updater.core.errors import ChipRefused, UsageError
from mcu_updater.host.cache_folder import CacheFolder, MergeFile, default_folder
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.host.rom_line import SerialRomLine, open_rom_line
from mcu_updater.stm32.chip import (
    ERASED_TO_ZERO,
    BankOption,
    Chip,
    GivenBank,
    chip_of_banks,
    chip_of_geometry,
)
from mcu_updater.stm32.connection import (
    DEFAULT_BAUD,
    LADDER,
    Connection,
    ConnectOptions,
    connect,
    look,
    read_option,
)
from mcu_updater.stm32.estimate import LineSpeed
from mcu_updater.stm32.events import Connected
from mcu_updater.stm32.flasher import Flasher, erases_to_zero, identifies
from mcu_updater.stm32.line import WIRINGS, Wiring, wiring_named
from mcu_updater.stm32.merging import Merging
from mcu_updater.stm32.rom import Timeouts, Traffic

_AUTO = "auto"
_DEFAULT_LATENCY_MS = 1.0  # of a bridge in low-latency mode, or of none


@dataclass(slots=True)
class Bench:
    """A chip on the table: connected, identified, and somebody to tell."""

    flasher: Flasher
    line: SerialRomLine
    screen: FlasherScreen
    started: Traffic

    @property
    def connection(self) -> Connection:
        return self.flasher.connection

    @property
    def speed(self) -> LineSpeed:
        latency_ms = self.line.latency_ms
        return LineSpeed(
            self.line.baud, (_DEFAULT_LATENCY_MS if latency_ms is None else latency_ms) / 1000
        )


@dataclass(frozen=True, kw_only=True)
class PortOptions:
    """Of ``port_options``. *baud*: auto, or bits per second."""

    port: str
    baud: int | str = DEFAULT_BAUD
    reset: str | None = None
    part: Part | None = None
    geometry: Sequence[GivenBank] | None = None
    program_unit: int | None = None
    timeout: float | None = None  # seconds
    merge: bool | None = None
    full_packets: bool | None = None
    cache: Path | None = None
    as_json: bool = False
    quiet: bool = False


@contextmanager
def opened(given: PortOptions, *, needs_chip: bool = True) -> Iterator[Bench]:
    """Everything from the options of ``port_options`` to a connected chip; closes the port.

    *needs_chip*: the command has no use for a chip whose geometry nobody knows.
    """
    screen = open_flasher_screen(as_json=given.as_json, quiet=given.quiet)
    if given.part is not None:
        refuse(click.get_current_context(), ("geometry", "program_unit"), "with --part")
    by_hand = _given_chip(given)
    options = _connect_options(given)
    line_log.start()
    line = open_rom_line(given.port, options.bauds[0], full_packets=given.full_packets)
    try:
        for note in line.notes:
            screen.note(note)
        rom, identity, wiring = connect(line, MonotonicClock(), options, screen.note)
        known = _known(by_hand, identity.pid)
        connection = look(rom, identity, wiring, known)
        chip = _chip(by_hand, known, connection, needs_chip=needs_chip)
        folder = CacheFolder(given.cache or default_folder())
        screen.event(_connected(connection, chip, line))
        flasher = Flasher(connection, chip, folder, _merging(given, connection, chip, line))
        yield Bench(flasher, line, screen, rom.rom.traffic_now())
    finally:
        screen.close()
        line.close()


def _merging(
    given: PortOptions, connection: Connection, chip: Chip, line: SerialRomLine
) -> Merging:
    memory = None
    if identifies(connection.uid) and given.merge is not False:
        folder, name = given.cache or default_folder(), f"{line.adapter}, {line.baud} baud"
        memory = MergeFile(folder, connection.info.pid, connection.uid, name)
    return Merging(connection.rom, chip, memory, wanted=given.merge)


def _connect_options(given: PortOptions) -> ConnectOptions:
    return ConnectOptions(
        bauds=(given.baud,) if isinstance(given.baud, int) else LADDER,
        wirings=_wirings(given.reset),
        timeouts=_timeouts(given.timeout),
    )


def _timeouts(given_s: float | None) -> Timeouts:
    """What is given holds for everything that a link delays; else the link shows how slow it is."""
    if given_s is None:
        return Timeouts()
    return Timeouts(answer_s=given_s, resync_s=min(given_s, Timeouts().resync_s), longest_s=given_s)


def _wirings(name: str | None) -> Sequence[Wiring]:
    if name is None:
        return ()
    return tuple(WIRINGS.values()) if name == _AUTO else (wiring_named(name),)


def _given_chip(given: PortOptions) -> Chip | None:
    if given.part is not None:
        return chip_of(given.part)
    if given.geometry is None:
        if given.program_unit is not None:
            raise UsageError("--program-unit describes a chip", expected="--geometry with it")
        return None
    return chip_of_banks(None, given.geometry, given.program_unit or 8)


def _known(by_hand: Chip | None, pid: int) -> Sequence[Chip]:
    if by_hand is None:
        return chips_with(pid)
    if by_hand.pid not in (None, pid):
        raise ChipRefused(
            "another chip than --part says",
            expected=f"PID {by_hand.pid:#05x}, {by_hand.name}",
            found=f"PID {pid:#05x}, {_names(pid)}",
            then="Nothing was changed",
        )
    return (by_hand,)


def _names(pid: int) -> str:
    return ", ".join(chip.name for chip in chips_with(pid)) or "which nobody here knows"


def _chip(
    by_hand: Chip | None, known: Sequence[Chip], connection: Connection, *, needs_chip: bool
) -> Chip:
    size, read_bit = connection.flash_size, bit_reader(connection)
    if by_hand is not None:
        return confirm_chip(by_hand, size, read_bit)
    if known:
        return _chosen(
            known, size, read_bit, must_be_one=needs_chip and not connection.is_protected
        )
    if not needs_chip:
        return chip_of_geometry(connection.info.pid, 0x0800_0000, [(1, 1024)], 8)
    if connection.info.pid in ERASED_TO_ZERO:
        raise erases_to_zero(connection.info.pid)
    raise ChipRefused(
        "unknown chip",
        found=f"PID {connection.info.pid:#05x}",
        then="Say what its flash is: --geometry 0x0800_0000:128x2K --program-unit 8, for instance. "
        "Nothing was changed",
    )


def _chosen(
    known: Sequence[Chip], size: int | None, read_bit: BitReader, *, must_be_one: bool
) -> Chip:
    try:
        return choose_chip(known, size, read_bit)
    except (UsageError, ChipRefused):
        if must_be_one:
            raise
        return known[0]


def bit_reader(connection: Connection) -> BitReader:
    """Looks at each bit once; None where the ROM does not let it be read."""

    @cache
    def read_bit(option: BankOption) -> int | None:
        return None if connection.is_protected else read_option(connection.rom, option)

    return read_bit


def _connected(connection: Connection, chip: Chip, line: SerialRomLine) -> Connected:
    return Connected(
        baud=line.baud,
        rom_version=connection.info.info.version_text,
        pid=connection.info.pid,
        chip=chip.name,
        uid=connection.uid.hex(),
    )


# --- options


def _baud(_: click.Context, __: click.Parameter, text: str) -> int | str:
    if text == _AUTO:
        return text
    if not text.isdecimal() or not int(text):
        raise click.BadParameter(f"{text!r} is neither a number nor auto")
    return int(text)


def _geometry(_: click.Context, __: click.Parameter, text: str | None) -> list[GivenBank] | None:
    """``0x0800_0000:4x16K,1x64K``: base, then runs of sectors; for each bank, ``;`` between them,
    and before ``@`` what the ROM calls its first sector."""
    if text is None:
        return None
    try:
        return [_bank(bank) for bank in text.split(";")]
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no geometry, such as 0x0800_0000:4x16K,1x64K,7x128K, or with a second "
            "bank 0x0800_0000:128x2K;256@0x0804_0000:128x2K"
        ) from error


def _bank(text: str) -> GivenBank:
    number, _at, place = text.rpartition("@")
    base, _colon, rest = place.partition(":")
    runs = [(int(n), size_of(size)) for n, size in (run.split("x") for run in rest.split(","))]
    first = int(number) if number else None
    if first is not None and not 0 <= first < FIRST_RESERVED:
        raise ValueError(number)
    return GivenBank(int(base, 16), runs, first)


port_options = together(
    click.option(
        "--port",
        required=True,
        metavar="PORT",
        envvar="MCU_UPDATER_PORT",
        help="The chip's port: a path, or socket://HOST:PORT, rfc2217://HOST:PORT, "
        "hwgrep://PATTERN, spy://PORT.",
    ),
    click.option(
        "--baud",
        default=str(DEFAULT_BAUD),
        callback=_baud,
        show_default=True,
        metavar="N|auto",
        help=f"Speed. auto tries {', '.join(map(str, LADDER))} and tests each; with --reset.",
    ),
    click.option(
        "--reset",
        metavar="WIRING",
        help="Reset the chip into its ROM by modem lines: first the one at NRST, then the one at "
        f"BOOT0, ! if it acts when not asserted: {', '.join(WIRINGS)}; auto tries them all.",
    ),
    click.option(
        "--part",
        type=PART,
        metavar=PART_METAVAR,
        help="Expect this part.  [default: by the PID that the chip reports]",
    ),
    click.option(
        "--geometry",
        callback=_geometry,
        metavar="[FIRST@]BASE:NxSIZE,...[;...]",
        help="Sectors of a chip that nobody here knows, bank by bank; FIRST: what its ROM calls "
        "the first one of the bank.",
    ),
    click.option(
        "--program-unit",
        type=click.IntRange(1, 256),
        metavar="N",
        help="With --geometry: bytes that flash programs at once.  [default: 8]",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0.02),
        metavar="S",
        help="Response timeout; erases have more.  [default: 1, and more where the "
        "link shows that it is slow, up to answers that take 6]",
    ),
    click.option(
        "--merge/--no-merge",
        default=None,
        help="Send command, address and data at once, after a test, until the first doubt.  "
        "[default: where the time that answers take is worth the test]",
    ),
    click.option(
        "--full-packets/--no-full-packets",
        default=None,
        help="Read what fills an FTDI's USB packets.  [default: on behind an FTDI bridge]",
    ),
    click.option(
        "--cache",
        type=paths.FOLDER,
        metavar="FOLDER",
        help="What is remembered of chips.  [default: mcu-updater/chips in the user's cache]",
    ),
    line_log.line_log_option,
    answers.json_option("JSON lines instead of text."),
    click.option("--quiet", is_flag=True, help="Print nothing but errors."),
)

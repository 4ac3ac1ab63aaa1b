"""``mcu-updater chip``: an emulated STM32 behind its USART boot ROM."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from flash_emulator import (
    CutAt,
    EmulatedFlash,
    Outcome,
    Part,
    PartError,
    load_part,
    other_size_names,
    part_names,
)
from flash_emulator.bootrom import Chip, Fault, Faults, Line, Noise, RomOptions, Speed, fresh_uid
from flash_emulator.bootrom.line import FTDI_PAYLOAD
from flash_emulator.bootrom.model import model_of
from flash_emulator.bootrom.times import with_times
from flash_emulator.parts.part_model import Mode
from mcu_updater.board.chip_store import ChipStore
from mcu_updater.cli import exits, params, paths
from mcu_updater.cli.decorators import together
from mcu_updater.cli.emulators.chip_control import Control
from mcu_updater.cli.emulators.chip_pins import Pins, Wiring
from mcu_updater.cli.emulators.module import wire_address
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import PART, PART_METAVAR, NameChoice
from mcu_updater.cli.options import cut_options
from mcu_updater.cli.unused import refuse
from mcu_updater.core.errors import UsageError
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.serve import PtyWire, Stopper, TcpWire, Wire
from mcu_updater.serve.chips import Desk, serve_chip

POSITIVE = click.FloatRange(min=0, min_open=True)


def _faults(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[Fault]:
    try:
        return [Fault.parse(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _noise(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, float]:
    rates = {}
    for text in texts:
        kind, _equals, rate = text.partition("=")
        if kind not in ("flip", "lose", "double"):
            raise click.BadParameter(f"{text!r} is no flip=, lose= or double= with a chance")
        try:
            rates[kind] = float(rate)
            Noise(rates[kind])
        except ValueError as error:
            raise click.BadParameter(f"{text!r}: {error}") from error
    return rates


def _baud(_: click.Context, __: click.Parameter, text: str | None) -> int | Literal["auto"] | None:
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if not text.isdecimal() or not 0 < int(text) <= 10_000_000:
        raise click.BadParameter(f"{text!r} is neither auto nor a number of bits per second")
    return int(text)


def _wiring(_: click.Context, __: click.Parameter, text: str) -> Wiring:
    try:
        return Wiring.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _version(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    major, dot, minor = text.partition(".")
    if not (dot and major.isdecimal() and minor.isdecimal() and int(major) < 16 > int(minor)):
        raise click.BadParameter(f"{text!r} is no version such as 3.1")
    return int(major) << 4 | int(minor)


def _choice(name: str, *values_: str, text: str) -> Callable[..., Any]:
    return click.option(
        name, type=NameChoice(values_), default=values_[0], show_default=True, help=text
    )


_options = together(
    click.option("--link", type=paths.OUTPUT, metavar="PATH", help="A stable name for the pty."),
    click.option("--tcp", metavar="HOST:PORT", help="Listen there instead; port 0: any free one."),
    click.option("--once", is_flag=True, help="End when the client leaves."),
    click.option(
        "--file",
        type=paths.KEPT,
        metavar="FILE",
        help="Keeps the chip; killed, too. May be a board file.",
    ),
    click.option(
        "--seed",
        type=int,
        metavar="N",
        help="Of a new chip: what its cuts leave, and its UID.  [default: 0, and a UID of its own]",
    ),
    click.option(
        "--baud",
        callback=_baud,
        metavar="N|auto",
        help="Let bytes take their time; auto: at the speed that the client sets on the pty.  "
        "[default: no time]",
    ),
    click.option(
        "--latency-ms",
        type=click.FloatRange(min=0),
        default=0.0,
        metavar="MS",
        help="Timer of a USB bridge: 16 as an FTDI comes, 1 in low-latency mode.",
    ),
    click.option(
        "--packet-size",
        type=click.IntRange(1, 512),
        default=FTDI_PAYLOAD,
        show_default=True,
        metavar="N",
        help="Payload of the bridge's USB packets.",
    ),
    _choice("--timing", "none", "typ", "max", text="Wait as long as flash operations take."),
    click.option("--program-us", type=POSITIVE, metavar="US", help="Time to program one unit."),
    click.option("--erase-us", type=POSITIVE, metavar="US", help="Time to erase one sector."),
    click.option("--mass-erase-us", type=POSITIVE, metavar="US", help="Of a bank, or of all."),
    cut_options,
    _choice("--after-cut", "exit", "on", "off", text="End; or power comes back; or it does not."),
    click.option(
        "--fault",
        multiple=True,
        callback=_faults,
        metavar="DEED:COMMAND[:N[+]]",
        help="nack, hang, reset, busy, skip or spoil the Nth such command, + and all after it: "
        "nack:write:3, hang:any:10, skip:write:1+.",
    ),
    click.option(
        "--noise",
        multiple=True,
        callback=_noise,
        metavar="KIND=CHANCE",
        help="flip, lose or double each byte with that chance.",
    ),
    _choice("--boot0", "high", "low", text="The pin: what a reset starts, ROM or flash."),
    click.option(
        "--lines",
        type=paths.KEPT,  # made where there is none
        metavar="FIFO",
        help="Modem lines and low-latency mode of the client, as a shim tells them.",
    ),
    click.option(
        "--wiring",
        callback=_wiring,
        default="nrst=!dtr,boot0=!rts",
        show_default=True,
        metavar="PIN=LINE,...",
        help="Pins on those lines; !: an asserted line pulls its pin low.",
    ),
    click.option("--control", is_flag=True, help="Obey lines on standard input; see docs."),
    click.option(
        "--rom-version", callback=_version, metavar="X.Y", help="From 3.3 on with Get Checksum."
    ),
    click.option(
        "--flash-size",
        callback=params.byte_size,
        metavar="SIZE",
        help="Of the part with so much flash instead, such as 512K: another chip of the same die.",
    ),
    click.option(
        "--pid",
        callback=params.address,
        metavar="N",
        help="Report another product identity, such as 0x447.",
    ),
    _choice("--checksum-dialect", "an3155", "private", text="Frames of Get Checksum."),
    _choice("--short-writes", "drop", "pad", text="What comes of units written in part."),
    _choice("--refused-writes", "ack", "nack", text="What is said when flash refuses."),
    _choice("--bad-read", "hang", "nack", "reset", text="What a double ECC error comes to."),
    _choice("--bad-pages", "nack", "ignore", text="What is said to a page that is none."),
    click.option("--double-ack", is_flag=True, help="Say ACK twice after the first byte."),
    click.option(
        "--max-baud",
        type=click.IntRange(min=1),
        default=None,
        metavar="N",
        help="Do not understand anything faster; with --baud auto.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Of ``chip serve``."""

    part: Part
    link: Path | None
    tcp: str | None
    once: bool
    file: Path | None
    seed: int | None
    baud: int | Literal["auto"] | None
    latency_ms: float
    packet_size: int
    timing: Literal["none", "typ", "max"]
    program_us: float | None
    erase_us: float | None
    mass_erase_us: float | None
    cut_at: int | None
    outcome: str
    after_cut: Literal["exit", "on", "off"]
    fault: list[Fault]
    noise: dict[str, float]
    boot0: Literal["high", "low"]
    lines: Path | None
    wiring: Wiring
    control: bool
    rom_version: int | None
    flash_size: int | None
    pid: int | None
    checksum_dialect: Literal["an3155", "private"]
    short_writes: Literal["drop", "pad"]
    refused_writes: Literal["ack", "nack"]
    bad_read: Literal["hang", "nack", "reset"]
    bad_pages: Literal["nack", "ignore"]
    double_ack: bool
    max_baud: int | None


@click.group("chip")
def commands() -> None:
    """An emulated STM32 behind its USART boot ROM."""


@commands.command("serve", short_help="Serve a chip on a pty or a TCP port.")
@click.argument("part", type=PART, metavar=PART_METAVAR)
@_options
@click.pass_context
@given_as(ServeOptions)
def serve_command(given: ServeOptions, context: click.Context) -> None:
    """Serve an emulated chip, until it is interrupted.

    Prints one line: what a client opens, a device path or a socket:// address. SIGUSR1 takes the
    power away between two operations.
    """
    _refuse_unused(context, given)
    _check(given)
    with ExitStack() as stack, Stopper().at_signals() as stopper:
        store, chip = _chip(given, stack)
        noise = Noise(**given.noise, seed=given.seed or 0)
        line = Line(chip, _speed(given), noise)
        wire = _wire(given)
        stack.callback(wire.close)
        desk = Desk(
            keep=store.keep if store else lambda: None,
            is_over=lambda: False,
            follows_baud=given.baud == "auto",
        )
        served = _Served(chip, desk, given.after_cut)
        served.listen(line, stack, wants_control=given.control)
        if given.lines is not None:
            pins = Pins(line, given.wiring, given.lines)
            stack.callback(pins.close)
            desk.commands[pins.fileno] = pins.read
        click.echo(wire.where)
        serve_chip(line, wire, desk, MonotonicClock(), stopper)
    if served.was_cut:
        context.exit(exits.POWER_CUT)


class _Served:
    """What happens to the chip besides bytes: cuts, and control lines."""

    def __init__(self, chip: Chip, desk: Desk, after_cut: str) -> None:
        self.was_cut = False
        self._chip, self._desk, self._after_cut = chip, desk, after_cut
        self._control: Control | None = None
        self._keep = desk.keep
        desk.keep, desk.is_over = self._look, self._is_over

    def listen(self, line: Line, stack: ExitStack, *, wants_control: bool) -> None:
        source, bell = os.pipe()
        before = signal.signal(signal.SIGUSR1, lambda *_: os.write(bell, b"!"))
        stack.callback(signal.signal, signal.SIGUSR1, before)
        self._desk.commands[source] = lambda: self._cut_now(source)
        if wants_control:
            self._control = Control(line)
            self._desk.commands[0] = self._obey

    def _obey(self) -> None:
        assert self._control is not None
        if not self._control.read(0):
            del self._desk.commands[0]

    def _cut_now(self, bell: int) -> None:
        os.read(bell, 64)
        self._chip.power_off()
        self._lost_power("power was cut, between two operations")

    def _look(self) -> None:
        """After each turn: what a cut brings."""
        cut = self._chip.cut
        self._keep()
        if cut is not None and not self.was_cut:
            self._lost_power(str(cut))

    def _lost_power(self, text: str) -> None:
        click.echo(text, err=True)
        if self._after_cut == "on":
            self._chip.power_on()
            self._keep()
        self.was_cut = self._after_cut != "on"

    def _is_over(self) -> bool:
        ended = self._control is not None and self._control.is_over
        return ended or (self.was_cut and self._after_cut == "exit")


# --- from options to values


def _refuse_unused(ctx: click.Context, given: ServeOptions) -> None:
    if given.cut_at is None:
        refuse(ctx, ("outcome",), "without --cut-at")
    if given.lines is None:
        refuse(ctx, ("wiring",), "without --lines")
    if given.timing == "none":
        refuse(ctx, ("program_us", "erase_us", "mass_erase_us"), "without --timing typ or max")
    if not given.latency_ms and given.lines is None:  # a shim sets the bridge's timer, too
        refuse(ctx, ("packet_size",), "without --latency-ms or --lines")


def _check(given: ServeOptions) -> None:
    if given.link and given.tcp:
        raise UsageError("a chip has one line", expected="one of them", found="--link and --tcp")
    if given.baud == "auto" and given.tcp:
        raise UsageError("a socket has no speed", expected="--baud N", found="--baud auto")
    if (given.pid or 0) > 0xFFFF:
        raise UsageError("--pid is two bytes", found=f"{given.pid:#x}")
    if given.max_baud and given.baud != "auto":
        raise UsageError("--max-baud needs the client's speed", expected="--baud auto with it")


def _chip(given: ServeOptions, stack: ExitStack) -> tuple[ChipStore | None, Chip]:
    mode: Mode = "max" if given.timing == "max" else "typ"
    part, untimed = with_times(
        _of_size(given.part, given.flash_size),
        mode,
        program_unit_us=given.program_us,
        sector_erase_us=given.erase_us,
        mass_erase_us=given.mass_erase_us,
    )
    if untimed and given.timing != "none":
        text = f"no document says how long this takes, so it takes no time: {', '.join(untimed)}"
        click.echo(f"{part.name}: {text}", err=True)
    options, faults = _rom_options(given), Faults(*given.fault)
    _check_rom(part, options)
    store = None
    seed, uid = given.seed or 0, fresh_uid() if given.seed is None else None
    if given.file is None:
        chip = Chip(EmulatedFlash(part, seed=seed), options, uid=uid, faults=faults)
    else:
        store = ChipStore(given.file)
        chip = store.open(part, options, faults, seed=seed, uid=uid)
        stack.callback(store.close)
    chip.boot0 = given.boot0 == "high"
    chip.reset()
    if given.cut_at is not None:
        chip.device.supply = CutAt(given.cut_at, Outcome(given.outcome))
    return store, chip


def _check_rom(part: Part, options: RomOptions) -> None:
    """Before a file is made: a part of one's own may have a boot ROM that nobody knows."""
    try:
        model_of(part, options)
    except PartError as error:
        raise UsageError(str(error)) from error


def _of_size(part: Part, size: int | None) -> Part:
    """*part*, or the one of its die that has *size* bytes, with as many banks if there are two."""
    if size in (None, part.size):
        return part
    names = (*part_names(), *other_size_names())
    pid = part.identity.usart_pid
    die = [other for other in map(load_part, names) if other.identity.usart_pid == pid]
    sized = [other for other in die if other.size == size]
    alike = [other for other in sized if other.bank_count == part.bank_count]
    if len(alike or sized) == 1:
        return (alike or sized)[0]
    sizes = ", ".join(f"{size // 1024}K" for size in sorted({other.size for other in die}))
    raise UsageError(
        "no one part of this die has so much flash",
        where="--flash-size",
        expected=" or ".join(other.name for other in sized) or sizes,
        found=f"{size} bytes",
    )


def _rom_options(given: ServeOptions) -> RomOptions:
    return RomOptions(
        version=given.rom_version,
        checksum_dialect=given.checksum_dialect,
        short_writes=given.short_writes,
        refused_writes=given.refused_writes,
        bad_read=given.bad_read,
        bad_pages=given.bad_pages,
        double_ack=given.double_ack or None,
        pid=given.pid,
        max_baud=given.max_baud or 0,
    )


def _speed(given: ServeOptions) -> Speed:
    baud = given.baud
    return Speed(
        baud=115_200 if baud == "auto" else baud or 0,
        latency_ms=given.latency_ms,
        packet_size=given.packet_size,
        flash=given.timing != "none",
    )


def _wire(given: ServeOptions) -> Wire:
    if given.tcp is not None:
        return TcpWire(*wire_address(given.tcp), given.once)
    return PtyWire(given.link, given.once)

"""``flash``, ``verify``, ``read``, ``erase``: a real STM32 behind its boot ROM."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_updater.cli import params, paths
from mcu_updater.cli.confirm import ask, yes_option
from mcu_updater.cli.decorators import together
from mcu_updater.cli.device.signatures import SignatureOptions, flash_signature_options
from mcu_updater.cli.flasher.stm32_link import Bench, PortOptions, opened, port_options
from mcu_updater.cli.flasher.stm32_signed import check_signature, refuse_unread
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import NameChoice
from mcu_updater.cli.reading import component_of_package, image_options, read_file
from mcu_updater.cli.unused import refuse
from mcu_updater.core.errors import UsageError, address_text
from mcu_updater.core.package import Wanted
from mcu_updater.host.cache_folder import default_folder
from mcu_updater.stm32.chip import Sector
from mcu_updater.stm32.compare import DiffMethod
from mcu_updater.stm32.estimate import Estimate, LineSpeed, estimate, saved_by_erasing_all_s
from mcu_updater.stm32.events import FlasherEvent, Planned
from mcu_updater.stm32.firmware import ERASED, Firmware, Segment, check_starts, holes_in
from mcu_updater.stm32.flasher import FlashOptions
from mcu_updater.stm32.plan import FlashPlan
from mcu_updater.storage import STDOUT, write_whole

if TYPE_CHECKING:
    from mcu_updater.stm32.stub import StubFlasher

FLASH_BASE = 0x0800_0000
_ERASES_ALL = "This erases all flash of the chip. Go on?"
_image = click.argument("image", type=paths.INPUT)
_reading = together(image_options, component_of_package)
_base = click.option(
    "--base",
    callback=params.address,
    default=hex(FLASH_BASE),
    show_default=True,
    metavar="ADDR",
    help="Where a raw image goes; other formats say it themselves.",
)


_flash_options = together(
    click.option(
        "--diff",
        type=NameChoice([method.value for method in DiffMethod]),
        default=DiffMethod.AUTO.value,
        show_default=True,
        help="How to find what is there already. auto: by the ROM's CRC, else by reading. cache: "
        "believe what this computer left there, after samples. off: write everything.",
    ),
    click.option(
        "--erase-chip",
        is_flag=True,
        help="Erase everything first, at once, what is outside of the image too.",
    ),
    click.option(
        "--go",
        callback=params.address,
        metavar="ADDR",
        help="Start the program whose vector table lies there.",
    ),
    click.option("--no-verify", is_flag=True, help="Do not look whether it is there."),
    click.option(
        "--stub",
        is_flag=True,
        help="Write by a program in the chip's RAM, at more than the boot ROM's speed; where it "
        "fails, by the ROM. For STM32L476xG, F407xG and G0B1xE. No real chip has run it yet.",
    ),
    click.option(
        "--read-back",
        is_flag=True,
        help="With --stub: read all back through the boot ROM, as on its first use on a chip, and "
        "of a signed image.",
    ),
    click.option(
        "--force",
        "force_vectors",
        is_flag=True,
        help="Write it although it does not begin with a vector table for where it goes.",
    ),
    flash_signature_options,
)


@dataclass(frozen=True, kw_only=True)
class ImageOptions(PortOptions):
    """An image, and the chip that it is for."""

    image: Path
    component: str
    base: int


@dataclass(frozen=True, kw_only=True)
class FlashCommandOptions(ImageOptions, SignatureOptions):
    """Of ``flash``."""

    diff: str
    erase_chip: bool
    go: int | None
    no_verify: bool
    stub: bool
    read_back: bool
    force_vectors: bool
    dry_run: bool
    yes: bool


@dataclass(frozen=True, kw_only=True)
class ReadOptions(PortOptions):
    """Of ``read``."""

    file: Path
    start: int | None
    size: int | None
    once: bool
    force: bool


@dataclass(frozen=True, kw_only=True)
class EraseOptions(PortOptions):
    """Of ``erase``."""

    everything: bool
    start: int | None
    size: int | None
    no_verify: bool
    yes: bool

    @property
    def span(self) -> range | None:
        """What is named; None: everything. Raises UsageError for neither, or both."""
        if self.everything and self.start is None and self.size is None:
            return None
        if self.everything or self.start is None or self.size is None:
            raise UsageError("what to erase?", expected="--all, or --start ADDR and --size N")
        return range(self.start, self.start + self.size)


def _options(given: FlashCommandOptions) -> FlashOptions:
    options = FlashOptions(
        diff=DiffMethod(given.diff),
        verify=given.stub or not given.no_verify,
        erase_chip=given.erase_chip,
        go=given.go,
    )
    refuse_unread(given, options)
    return options


def _firmware(given: ImageOptions) -> Firmware:
    wanted = Wanted(given.component)
    image = read_file((given.image,), base=given.base, wanted=wanted).image
    return Firmware(tuple(Segment(*segment) for segment in image.segments))


@contextmanager
def _checked(given: FlashCommandOptions, firmware: Firmware) -> Iterator[Bench]:
    """A connected chip for which *firmware* is made, and signed where that is asked for."""
    check_signature(given, firmware)
    with opened(given) as bench:
        if not given.force_vectors:
            check_starts(firmware)
        signed = check_signature(given, firmware, bench.flasher.chip.sectors[-1].stop)
        if signed is not None:
            bench.screen.note(signed)
        yield bench


def _show(bench: Bench, events: Iterable[FlasherEvent | bytes]) -> FlashPlan | None:
    plan = None
    for event in events:
        if isinstance(event, bytes):
            continue
        bench.screen.event(event)
        if isinstance(event, Planned):
            plan = event.plan
    return plan


@click.command("flash", short_help="Flash an STM32 through its USART boot ROM.")
@_image
@_reading
@port_options
@_base
@_flash_options
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would be erased and written, and the time. Changes nothing.",
)
@yes_option
@given_as(FlashCommandOptions)
def flash_command(given: FlashCommandOptions) -> None:
    """Erase what differs from IMAGE (.bin, .hex, .s19, .elf ...), write it, verify it.

    Run it again after whatever went wrong: what is there already is not written twice.
    """
    context = click.get_current_context()
    if given.stub:
        refuse(context, ("no_verify",), "with --stub")
    else:
        refuse(context, ("read_back",), "without --stub")
    firmware, options = _firmware(given), _options(given)
    if options.erase_chip and not given.dry_run:
        ask(_ERASES_ALL, yes=given.yes)
    with _checked(given, firmware) as bench:
        began_s = time.monotonic()
        stub = _stub(bench, given) if given.stub else None
        if given.dry_run:
            _dry_run(bench, firmware, options, stub)
            return
        plan = _show(bench, (stub or bench.flasher).flash(firmware, options))
        baud = stub.baud if stub else bench.line.baud
        _done(bench, plan, baud, time.monotonic() - began_s, verified=options.verify)


def _stub(bench: Bench, given: FlashCommandOptions) -> StubFlasher:
    """Raises ChipRefused where there is none for this chip. A signed image is read back: who asks
    for a signature believes nothing that ran on the chip."""
    from mcu_updater.host.stub_folder import StubFolder
    from mcu_updater.stm32.stub import StubFlasher, StubOptions

    records = StubFolder(given.cache or default_folder())
    return StubFlasher(bench.flasher, records, StubOptions(given.read_back or bool(given.keys)))


def _dry_run(
    bench: Bench, firmware: Firmware, options: FlashOptions, stub: StubFlasher | None
) -> None:
    """Nothing is put into RAM either: the ROM looks at what is there."""
    plan = _show(bench, bench.flasher.plan(firmware, options))
    assert plan is not None
    cost: Estimate
    if stub:
        cost, speed = stub.estimate(plan, bench.speed)
    else:
        speed, checksum = bench.speed, bench.flasher.has_checksum
        cost = estimate(plan, speed, checksum=checksum, verify=options.verify)
    bench.screen.result(*_estimate_of(cost, speed, saved_by_erasing_all_s(plan)))


def _estimate_of(cost: Estimate, speed: LineSpeed, saved_s: float) -> tuple[dict[str, Any], str]:
    fields = {
        "event": "estimate",
        "baud": speed.baud,
        "latency_ms": speed.latency_s * 1000,
        "wire_bytes": cost.wire_bytes,
        "turnarounds": cost.turnarounds,
        "wire_s": round(cost.wire_s, 3),
        "latency_s": round(cost.latency_s, 3),
        "erase_s": cost.erase_s,
        "program_s": cost.program_s,
        "total_s": round(cost.total_s, 3),
        "is_complete": cost.is_complete,
        "erase_chip_saves_s": round(saved_s, 3),
    }
    hint = f" (--erase-chip: {saved_s:.1f} s less, and all else is lost)" if saved_s >= 0.05 else ""
    bound = "" if cost.is_complete else " at least; no document here gives this part's flash times"
    text = (
        f"would take {cost.total_s:.1f} s{bound}: {cost.wire_s:.1f} s on the wire at {speed.baud} "
        f"baud ({cost.wire_bytes} bytes), {cost.latency_s:.1f} s for {cost.turnarounds} answers at "
        f"{speed.latency_s * 1000:g} ms, {_seconds(cost.erase_s)} erasing{hint}, "
        f"{_seconds(cost.program_s)} programming. Nothing was changed"
    )
    return fields, text


def _seconds(time_s: float | None) -> str:
    return "unknown" if time_s is None else f"{time_s:.1f} s"


def _done(
    bench: Bench, plan: FlashPlan | None, baud: int, took_s: float, *, verified: bool
) -> None:
    """*baud*: at which the image went over the line."""
    assert plan is not None
    traffic = bench.flasher.connection.rom.rom.traffic.since(bench.started)
    line_rate = plan.firmware.size * 11 / baud / took_s * 100 if took_s else 0.0
    is_paced = traffic.wire_bytes * 10 / baud <= took_s  # a pty or a socket is not
    share = f"{line_rate:.0f} % of" if is_paced else "on a port that does not keep"
    fields = {
        "event": "done",
        "verified": verified,
        "seconds": round(took_s, 3),
        "wire_bytes": traffic.wire_bytes,
        "turnarounds": traffic.turnarounds,
        "written_bytes": plan.write_size,
        "kept_bytes": plan.kept_size,
        "line_rate_percent": round(line_rate, 1) if is_paced else None,
        "repaired": bench.connection.rom.failures,
    }
    is_there = not plan.touched and not plan.erase.sectors
    word = "done" if verified else "written, not verified"
    word = "nothing to do, all of it is there already: compared" if is_there else word
    text = (
        f"{word} in {took_s:.1f} s: {plan.write_size} bytes written, {plan.kept_size} kept; "
        f"{traffic.wire_bytes} bytes on the wire, {traffic.turnarounds} turnarounds, "
        f"{share} the line rate"
    )
    bench.screen.result(fields, text)


@click.command("verify", short_help="Compare an image with an STM32's flash.")
@_image
@_reading
@port_options
@_base
@given_as(ImageOptions)
def verify_command(given: ImageOptions) -> None:
    """Compare IMAGE with flash, by the ROM's CRC or by reading. Changes nothing."""
    firmware = _firmware(given)
    with opened(given) as bench:
        _show(bench, bench.flasher.verify(firmware))


@click.command("read", short_help="Read an STM32's flash into a file.")
@click.argument("file", type=paths.OUTPUT_OR_STDOUT)
@port_options
@click.option("--start", callback=params.address, metavar="ADDR", help="[default: flash]")
@click.option("--size", type=click.IntRange(min=1), metavar="N", help="[default: all of it]")
@click.option(
    "--once",
    is_flag=True,
    help="Do not read everything twice where the ROM has no CRC: reads carry no checksum.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@given_as(ReadOptions)
def read_command(given: ReadOptions) -> None:
    """Read memory into FILE (-: standard output), which appears when all of it has come."""
    if given.file == STDOUT:
        given = _quiet_for_bytes(given)
    paths.claim(given.file, force=given.force)
    with opened(given) as bench:
        chip = bench.flasher.chip
        start = chip.base if given.start is None else given.start
        size = given.size or chip.stop - start
        if size < 1:
            raise UsageError("nothing to read there", where=address_text(start))
        data = _read(bench, range(start, start + size), twice=not given.once)
        write_whole(given.file, bytes(data))
        text = f"{given.file}: {size} bytes from {address_text(start)}"
        bench.screen.result({"event": "read", "address": start, "bytes": size}, text)


def _read(bench: Bench, span: range, *, twice: bool) -> bytearray:
    """Holes between banks come as FF: what lies behind them keeps its place in the file."""
    data = bytearray()
    for hole in (*holes_in(bench.flasher.chip, span), range(span.stop, span.stop)):
        at = span.start + len(data)
        if at < hole.start:
            for event in bench.flasher.read(at, hole.start - at, twice=twice):
                if isinstance(event, bytes):
                    data += event
                else:
                    bench.screen.event(event)
        if hole:
            data += ERASED * len(hole)
            where = f"{address_text(hole.start)} up to {address_text(hole.stop)}"
            bench.screen.note(f"{where} lies between the banks, where there is no flash: FF")
    return data


def _quiet_for_bytes(given: ReadOptions) -> ReadOptions:
    """Standard output is for memory alone."""
    if given.as_json:
        raise UsageError("--json and FILE -: both want standard output", then="Leave one out")
    return replace(given, quiet=True)


@click.command("erase", short_help="Erase sectors of an STM32, or all.")
@port_options
@click.option("--all", "everything", is_flag=True, help="The whole chip.")
@click.option("--start", callback=params.address, metavar="ADDR", help="First sector's address.")
@click.option("--size", type=click.IntRange(min=1), metavar="N", help="Whole sectors.")
@click.option("--no-verify", is_flag=True, help="Do not look whether it is blank.")
@yes_option
@given_as(EraseOptions)
def erase_command(given: EraseOptions) -> None:
    """Erase what is named, and look whether it is blank. --all asks first."""
    span = given.span
    if span is None:
        ask(_ERASES_ALL, yes=given.yes)
    with opened(given) as bench:
        sectors = _sectors(bench, span)
        verify = not given.no_verify
        _show(bench, bench.flasher.erase(sectors, everything=span is None, verify=verify))
        fields = {"event": "erased", "sectors": [sector.number for sector in sectors]}
        bench.screen.result(fields, f"erased {len(sectors)} sectors")


def _sectors(bench: Bench, span: range | None) -> tuple[Sector, ...]:
    chip = bench.flasher.chip
    if span is None:
        return chip.sectors
    start, stop = span.start, span.stop
    sectors = chip.sectors_of(start, stop)
    if not chip.covers(start, stop) or sectors[0].start != start or sectors[-1].stop != stop:
        near = (
            f"{address_text(sectors[0].start)}, {sectors[-1].stop - sectors[0].start} bytes"
            if (sectors)
            else f"flash of {chip.name}"
        )
        raise UsageError(
            "not whole sectors",
            expected=near,
            found=f"{address_text(start)}, {len(span)} bytes",
            then="Nothing was changed",
        )
    return sectors


COMMANDS = (flash_command, verify_command, read_command, erase_command)

"""``delta make``, ``delta apply`` and ``delta info``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click

from flash_emulator import Part
from flash_emulator.parts.part_model import Kind
from mcu_updater.cli import answers, params, paths
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import PART, PART_METAVAR, NameChoice
from mcu_updater.cli.reading import image_options, read_file
from mcu_updater.cli.screen import show
from mcu_updater.cli.unused import refuse
from mcu_updater.core.delta import (
    Algorithm,
    DeltaRejected,
    Header,
    Limits,
    apply_delta,
    parse_header,
)
from mcu_updater.core.errors import UsageError, address_text
from mcu_updater.core.image import ImageFormat
from mcu_updater.core.trust.deltas import delta_signer
from mcu_updater.files import ImageFile
from mcu_updater.files.delta.make import WINDOW_DEFAULT, Made, Sign, make_delta
from mcu_updater.report.delta import Cost, Costs, costs_table, header_table, makers_table
from mcu_updater.storage import STDOUT, write_whole

PROFILES: Final = {"device": Algorithm.HEATSHRINK, "host": Algorithm.LZMA}
_BITS_PER_BYTE: Final = 10  # 8N1 on the UART: a start and a stop bit
_base = click.option(
    "--base",
    callback=params.address,
    metavar="ADDR",
    help="Where the slot begins, of images that have addresses.  [default: where they begin]",
)
_json = answers.json_option("One JSON object instead of tables.")


def _image(_: click.Context, __: click.Parameter, path: Path) -> ImageFile:
    return read_file([path])


def _signer(_: click.Context, __: click.Parameter, path: Path | None) -> Sign | None:
    return None if path is None else delta_signer(path.read_bytes(), str(path))


@click.group("delta")
def commands() -> None:
    """Make, apply and look at delta packages: what changed between two images."""


@dataclass(frozen=True, kw_only=True)
class MakeOptions:
    """Of ``delta make``."""

    old: ImageFile
    new: ImageFile
    output: Path
    profile: str
    window_bits: int | None
    base: int | None
    sign: Sign | None
    source: str | None
    target: str | None
    part: Part
    air_rate: float  # kbit/s
    baud: int
    force: bool
    as_json: bool


@commands.command("make")
@click.argument("old", type=paths.INPUT, callback=_image)
@click.argument("new", type=paths.INPUT, callback=_image)
@click.option(
    "-o",
    "--output",
    type=paths.OUTPUT_OR_STDOUT,
    required=True,
    metavar="FILE",
    help="The package; -: standard output.",
)
@click.option(
    "--profile",
    type=NameChoice(list(PROFILES)),
    default="device",
    show_default=True,
    help="device: heatshrink, for a few hundred bytes of RAM. host: LZMA, a third smaller, for "
    "about 10 KiB.",
)
@click.option(
    "--window",
    "window_bits",
    type=int,
    metavar="BITS",
    help="How far a patch may look back, as a power of two: its RAM.  [default: "
    + ", ".join(f"{name} {WINDOW_DEFAULT[kind]}" for name, kind in PROFILES.items())
    + "]",
)
@_base
@image_options
@click.option(
    "--sign",
    type=paths.INPUT,
    callback=_signer,
    metavar="KEY",
    help="Sign the package with this private key (PEM file): devices with keys take no other.",
)
@click.option("--from", "source", callback=params.version, metavar="V", help="Version of OLD.")
@click.option("--to", "target", callback=params.version, metavar="V", help="Version of NEW.")
@click.option(
    "--part",
    default="STM32L476xG",
    show_default=True,
    type=PART,
    metavar=PART_METAVAR,
    help="Whose flash the time is estimated for.",
)
@click.option(
    "--air-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=127,
    show_default=True,
    metavar="KBIT/S",
    help="On air. The default is the most that LTE Cat NB2 can do.",
)
@click.option(
    "--baud",
    type=click.IntRange(min=1),
    default=115200,
    show_default=True,
    help="From the module to the updater.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace FILE if it exists; and write it even when the full package is no larger.",
)
@_json
@given_as(MakeOptions)
def delta_make(given: MakeOptions) -> None:
    """Make a delta package that turns OLD into NEW, images of any format.

    OLD is what the devices run, NEW what they shall run, both as they stand in the slot. Every
    maker that is installed is tried; the smallest package is applied before it is written.
    """
    output = given.output
    if given.as_json and output == STDOUT:
        raise UsageError("--json and -o -: both want standard output", then="Leave one out")
    if output == STDOUT:
        costs_alone = ("air_rate", "baud", "part")
        refuse(click.get_current_context(), costs_alone, "with -o -: no costs are printed")
    paths.claim(output, force=given.force)
    base = _common_base((given.old, given.new), given.base)
    base_image, target_image = (_in_slot(file, base) for file in (given.old, given.new))
    made = make_delta(
        base_image,
        target_image,
        algorithm=PROFILES[given.profile],
        window_bits=given.window_bits,
        base_version=given.source or "",
        target_version=given.target or "",
        sign=given.sign,
    )
    full = len(target_image)
    costs = Costs(full=_cost(full, full, given), delta=_cost(len(made.package), full, given))
    if len(made.package) >= full and not given.force:
        raise UsageError(
            "delta package would be no smaller than the full one",
            expected=f"less than {full} bytes",
            found=str(len(made.package)),
            then="Send the full package, or insist with --force",
        )
    write_whole(output, made.package)
    if given.as_json:
        answers.result(_made_json(made, costs))
    elif output != STDOUT:
        show(makers_table(made), costs_table(costs))
        click.echo(f"{output}: {len(made.package)} bytes, by {made.maker}; applied: gives NEW")


@commands.command("apply")
@click.argument("old", type=paths.INPUT, callback=_image)
@click.argument("file", type=paths.INPUT, callback=params.image)
@click.option(
    "-o",
    "--output",
    type=paths.OUTPUT_OR_STDOUT,
    required=True,
    metavar="FILE",
    help="The new image; -: standard output.",
)
@_base
@image_options
@paths.force_option
def delta_apply(old: ImageFile, file: bytes, output: Path, base: int | None, force: bool) -> None:
    """Apply the delta package FILE to the image OLD, of any format; the new image is a raw one.

    Writes nothing unless the result is right.
    """
    paths.claim(output, force=force)
    image = apply_delta(file, _in_slot(old, base))
    write_whole(output, image)
    paths.say(output, f"{output}: {len(image)} bytes, SHA-256 as the package says")


@commands.command("info")
@click.argument("file", type=paths.INPUT, callback=params.image)
@_json
def delta_info(file: bytes, as_json: bool) -> None:
    """Show what the delta package FILE is for, and what it needs."""
    header = parse_header(file)
    expected = header.size + header.payload_size
    if len(file) != expected:
        raise DeltaRejected(
            "package is not complete", expected=f"{expected} bytes", found=str(len(file))
        )
    if as_json:
        answers.result(_header_json(header))
    else:
        show(header_table(header))


def _common_base(files: tuple[ImageFile, ...], given: int | None) -> int | None:
    """Where the slot begins that all of *files* are for; None: none of them says."""
    starts = {file.image.start for file in files if file.inner is not ImageFormat.BIN}
    if given is None and len(starts) > 1:
        raise UsageError(
            "the images begin at different addresses",
            expected="--base ADDR: where the slot begins",
            found=" and ".join(address_text(start) for start in sorted(starts)),
        )
    return given if given is not None else next(iter(starts), None)


def _in_slot(file: ImageFile, base: int | None) -> bytes:
    """The image as it stands in a slot at *base*: gaps read FF."""
    image = file.image
    start = image.start if base is None or file.inner is ImageFormat.BIN else base
    room = Limits().image
    if start > image.start or image.end - start > room:
        raise UsageError(
            "the image is not within the slot",
            where=file.names[0],
            expected=f"{address_text(start)} to {address_text(start + room - 1)} at most",
            found=f"{address_text(image.start)} to {address_text(image.end - 1)}",
        )
    return b"\xff" * (image.start - start) + image.flat()


def _cost(package_size: int, image_size: int, given: MakeOptions) -> Cost:
    """Either package writes the whole image: on flash a delta saves nothing."""
    return Cost(
        size=package_size,
        air_s=package_size * 8 / (given.air_rate * 1000),
        serial_s=package_size * _BITS_PER_BYTE / given.baud,
        flash_s=_flash_s(given.part, image_size),
    )


def _flash_s(part: Part, size: int) -> float | None:
    """To erase the sectors and program the units, typically, or at most where documents say no
    more; None where they say nothing."""
    program_us = _time_us(part, "program_unit")
    if program_us is None:
        return None
    total_us = -(-size // part.program_unit) * program_us
    left = size
    for sector in sorted(part.sector_sizes):
        if left <= 0:
            break
        erase_us = _time_us(part, "sector_erase", sector)
        if erase_us is None:
            return None
        total_us += erase_us
        left -= sector
    return total_us / 1e6 if left <= 0 else None


def _time_us(part: Part, kind: Kind, size: int | None = None) -> int | None:
    typical = part.timing.of(kind, size, "typ")
    return part.timing.of(kind, size, "max") if typical is None else typical


def _made_json(made: Made, costs: Costs) -> dict[str, Any]:
    return {
        "schema": 1,
        "maker": made.maker,
        "makers": [asdict(one) for one in made.candidates],
        "full": asdict(costs.full),
        "delta": asdict(costs.delta),
        "header": _header_json(made.header),
    }


def _header_json(header: Header) -> dict[str, Any]:
    signature = header.signature
    return {
        "schema": 1,
        "algorithm": header.algorithm.name.lower(),
        "filter": header.filter.name.lower(),
        "base_version": header.base_version,
        "base_size": header.base_size,
        "base_sha256": header.base_sha256.hex(),
        "target_version": header.target_version,
        "target_size": header.target_size,
        "target_sha256": header.target_sha256.hex(),
        "header_size": header.size,
        "patch_size": header.payload_size,
        "window": header.window,
        "signature": signature and {"kind": signature.kind.name, "key": signature.key_id.hex()},
    }

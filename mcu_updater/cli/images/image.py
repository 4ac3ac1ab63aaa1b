"""``image``: look at image files, convert, compare and check them. No device is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from flash_emulator import Part
from mcu_updater.cli import answers, exits, params, paths
from mcu_updater.cli.decorators import together
from mcu_updater.cli.exits import complain
from mcu_updater.cli.given import given_as
from mcu_updater.cli.images.slot_fit import (
    areas_of,
    fit,
    fits,
    image_size,
    link_address,
    sector_ranges,
)
from mcu_updater.cli.names import PART, PART_METAVAR, STRATEGY, NameChoice
from mcu_updater.cli.reading import (
    component_of_package,
    described,
    image_options,
    naming,
    read_file,
)
from mcu_updater.cli.screen import show
from mcu_updater.cli.switches import message_with_hint
from mcu_updater.cli.unused import refuse
from mcu_updater.core.errors import ImageRejected, UsageError, address_text
from mcu_updater.core.image import ImageFormat, Rule
from mcu_updater.core.image.memory import FLASH
from mcu_updater.core.image.names import format_of
from mcu_updater.core.package import Wanted
from mcu_updater.core.strategy import Strategy
from mcu_updater.files import ImageFile, MemoryImage
from mcu_updater.files.facts import difference, vectors
from mcu_updater.files.writing import WRITABLE, write_image
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.report.image import (
    difference_view,
    image_json,
    image_view,
)
from mcu_updater.report.image_report import image_report
from mcu_updater.report.schema import SCHEMA
from mcu_updater.storage import write_whole

_base = click.option(
    "--base",
    callback=params.address,
    metavar="ADDR",
    help="Where a raw binary is linked.  [default: at the slot of --part, else offsets]",
)
_part = click.option("--part", type=PART, metavar=PART_METAVAR, help="Part that it is for.")
_strategy = click.option(
    "--strategy",
    type=STRATEGY,
    callback=params.strategy,
    help="Strategy of that part.  [default: the part's]",
)
_json = answers.json_option("One JSON object instead of text.")
_reading = together(_base, image_options, component_of_package)


@click.group("image")
def commands() -> None:
    """Look at image files and packages, convert, compare and check them."""


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """Of all these commands."""

    base: int | None
    component: str


@dataclass(frozen=True, kw_only=True)
class PlacedOptions(ReadingOptions):
    """Of those that know the part that an image is for."""

    part: Part | None
    strategy: Strategy | None

    @property
    def chosen(self) -> tuple[Part, Strategy] | None:
        if self.part is None:
            if self.strategy is not None:
                raise UsageError("--strategy is one of a part", expected="--part with it")
            return None
        return self.part, self.strategy or default_strategy(self.part)


@dataclass(frozen=True, kw_only=True)
class InspectOptions(PlacedOptions):
    """Of ``inspect``."""

    files: tuple[Path, ...]
    as_json: bool


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(ReadingOptions):
    """Of ``convert``."""

    file: Path
    out: Path
    kind: str | None
    fill: int
    force: bool


@dataclass(frozen=True, kw_only=True)
class DiffOptions(PlacedOptions):
    """Of ``diff``."""

    first: Path
    second: Path
    equal: bool
    as_json: bool


@dataclass(frozen=True, kw_only=True)
class CheckOptions(PlacedOptions):
    """Of ``check``."""

    files: tuple[Path, ...]
    annotate: bool


def _read(paths: tuple[Path, ...], given: ReadingOptions, base: int | None = None) -> ImageFile:
    part = given.part if isinstance(given, PlacedOptions) else None
    wanted = Wanted(given.component, part=part.name if part else "")
    where = given.base if given.base is not None else base
    return read_file(paths, base=where, wanted=wanted)


def _base_of(chosen: tuple[Part, Strategy] | None) -> int | None:
    return None if chosen is None else link_address(*chosen)


# --- inspect


@commands.command("inspect")
@click.argument("files", nargs=-1, required=True, type=paths.INPUT, metavar="FILE...")
@_part
@_strategy
@_reading
@_json
@given_as(InspectOptions)
def inspect(given: InspectOptions) -> None:
    """Show what FILE holds: segments, vectors, version, hashes, where it fits, what is erased.

    Numbered parts (.bin_1, .bin_2) are joined, a package is unpacked.
    """
    chosen = given.chosen
    file = _read(given.files, given, _base_of(chosen))
    placed = file.inner is not ImageFormat.BIN or chosen is not None or given.base is not None
    found = (fit(file, *chosen),) if chosen else tuple(fits(file))
    report = image_report(file, placed, found, areas_of(given.part))
    if given.as_json:
        answers.result(image_json(report))
    else:
        show(*image_view(report))


# --- convert


@commands.command("convert")
@click.argument("file", type=paths.INPUT, metavar="FILE")
@click.argument("out", type=paths.OUTPUT_OR_STDOUT, metavar="OUT")
@click.option(
    "--to",
    "kind",
    type=NameChoice([fmt.value for fmt in WRITABLE]),
    help="Format of OUT.  [default: as its suffix says]",
)
@click.option(
    "--fill",
    type=click.IntRange(0, 255),
    default=255,
    show_default=True,
    metavar="BYTE",
    help="What stands in the gaps of a raw binary.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@_reading
@given_as(ConvertOptions)
def convert(given: ConvertOptions) -> None:
    """Write the image in FILE to OUT (-: standard output, with --to) in another format."""
    out = given.out
    fmt = ImageFormat(given.kind) if given.kind else format_of(out.name)
    if fmt is None:
        raise UsageError("the suffix says no format", where=str(out), then="Say it with --to")
    if fmt is not ImageFormat.BIN:
        refuse(click.get_current_context(), ("fill",), f"with {fmt.value}, which can have gaps")
    paths.claim(out, force=given.force)
    data = write_image(_read((given.file,), given).image, fmt, given.fill)
    write_whole(out, data)
    paths.say(out, f"{out}: {fmt.value}, {len(data)} bytes")


# --- diff


@commands.command("diff")
@click.argument("first", type=paths.INPUT, metavar="FIRST")
@click.argument("second", type=paths.INPUT, metavar="SECOND")
@click.option("--equal", is_flag=True, help="Exit with 3 unless they are the same.")
@_part
@_strategy
@_reading
@_json
@given_as(DiffOptions)
def diff(given: DiffOptions) -> None:
    """Compare what two files put at which addresses, whatever their formats.

    A raw binary has no addresses: give --base or --part where the other file has.
    """
    chosen, first, second = given.chosen, given.first, given.second
    one, two = (_read((path,), given, _base_of(chosen)) for path in (first, second))
    found = difference(one.image, two.image)
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    if names[0] == names[1]:
        names = "the first", "the second"
    kinds = {
        "changed": found.changed,
        f"only in {names[0]}": found.only_first,
        f"only in {names[1]}": found.only_second,
    }
    sectors = _sectors(kinds.values(), chosen) if chosen else None
    if given.as_json:
        listed = {
            name: [[one.start, one.stop] for one in ranges]
            for name, ranges in zip(
                ("changed", "only_first", "only_second"), kinds.values(), strict=True
            )
        }
        fields = {"schema": SCHEMA, "equal": found.is_none, **listed, "sectors": sectors}
        answers.result(fields)
    else:
        text = "" if sectors is None else f"sectors of the slot that differ: {sectors}"
        show(*difference_view(names, kinds, text))
    if given.equal and not found.is_none:
        raise ImageRejected("the images differ", where=f"{first}, {second}")


def _sectors(kinds: Iterable[Sequence[range]], chosen: tuple[Part, Strategy]) -> int:
    """How many sectors of the slot hold a byte that differs."""
    touched = [one for ranges in kinds for one in ranges]
    return sum(
        any(one.start < sector.stop and sector.start < one.stop for one in touched)
        for sector in sector_ranges(*chosen)
    )


# --- check


@commands.command("check")
@click.argument("files", nargs=-1, required=True, type=paths.INPUT, metavar="FILE...")
@click.option("--annotate", is_flag=True, help="Also as annotations of a GitHub workflow.")
@_part
@_strategy
@_reading
@click.pass_context
@given_as(CheckOptions)
def check(given: CheckOptions, ctx: click.Context) -> None:
    """Exit with 0 when every FILE is a sound image, else with 3.

    Sound: its format keeps every rule, it begins with a vector table, and with --part it fits the
    slot. Numbered parts are checked by their first.
    """
    chosen = given.chosen
    bad = 0
    for path in given.files:
        try:
            file = _read((path,), given, _base_of(chosen))
            with naming(path):
                _check(file, chosen, given)
        except ImageRejected as error:
            bad += 1
            complain(message_with_hint(error))
            if given.annotate:
                click.echo(annotation(path, error))
        else:
            segments = len(file.image.segments)
            click.echo(f"{path}: {file.format.value}, {file.image.size} bytes, {segments} segments")
    if bad:
        ctx.exit(exits.REJECTED)


def _check(file: ImageFile, chosen: tuple[Part, Strategy] | None, given: CheckOptions) -> None:
    placed = file.inner is not ImageFormat.BIN or chosen is not None or given.base is not None
    table = vectors(file.image, placed=placed)
    if table is None:
        raise ImageRejected("image is shorter than its vector table", expected="8 bytes or more")
    if table.problems:
        raise ImageRejected("vector table is not sane", found=", ".join(table.problems))
    _check_in_flash(file.image)
    if chosen is None:
        return
    found = fit(file, *chosen)
    if found.why:
        raise ImageRejected(
            f"does not fit {found.part}, {found.strategy}",
            expected=f"at most {found.room} bytes",
            found=f"{image_size(file, found.address)} bytes; it {found.why}",
        )


def _check_in_flash(image: MemoryImage) -> None:
    """Where one part of an image lies in flash, all of it does."""
    inside = image.within([FLASH.addresses])
    if inside is None or inside.size == image.size:
        return
    outside = image.within([range(FLASH.addresses.start), range(FLASH.addresses.stop, 1 << 32)])
    assert outside is not None
    raise ImageRejected(
        "part of the image lies outside the flash",
        expected=f"{address_text(FLASH.addresses.start)} up to "
        f"{address_text(FLASH.addresses.stop - 1)}",
        found="; ".join(described(outside)),
        rule=Rule.OUTSIDE,
    )


_LINE = re.compile(r"line (\d+), column (\d+)")


def annotation(path: Path, error: ImageRejected) -> str:
    """The complaint as a GitHub workflow command: it then stands at the line in the review."""
    place = _LINE.search(error.where)
    at = f",line={place[1]},col={place[2]}" if place else ""
    file = _escaped(str(path)).replace(":", "%3A").replace(",", "%2C")
    text = message_with_hint(error).removeprefix(f"{path}, ").removeprefix(f"{path}: ")
    return f"::error file={file}{at}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

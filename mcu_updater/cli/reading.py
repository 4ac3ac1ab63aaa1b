"""How a command reads an image file: one set of options, and one place that goes by them.

Two kinds of commands take images. Some use an image as it is (``image``, ``flash``, ``delta``);
others hand the file's bytes to a device (``update``, ``board new``, ``module serve``), which reads
strictly. Where one of those is asked to relax a rule, the image is read here and written anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click

from mcu_updater.cli.decorators import Decorator, together
from mcu_updater.cli.names import NameChoice
from mcu_updater.core.errors import ImageRejected, UsageError, address_text
from mcu_updater.core.image import STRICT, Allow, Allowed, Extent, ImageFormat, Rule, sniff_size
from mcu_updater.core.image.memory import FLASH, region_of
from mcu_updater.core.package import Wanted, open_any
from mcu_updater.files import ImageFile, MemoryImage, read_image, read_package
from mcu_updater.files.reading import numbered_parts
from mcu_updater.files.segments import assemble

_READING: Final = f"{__name__}.reading"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was asked for. *only*: addresses to keep; none: all. *join*: numbered parts are handed
    to a device as one package; None: of a command that hands nothing to one."""

    raw: bool = False
    allow: Allowed = STRICT
    only: tuple[range, ...] = ()
    join: bool | None = None


def reading() -> Reading:
    """That of the command that runs; the strict one where it has no such options."""
    ctx = click.get_current_context(silent=True)
    found = ctx.meta.get(_READING, {}) if ctx is not None else {}
    return Reading(**found)


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    ctx.meta.setdefault(_READING, {})[str(param.name).removesuffix("_file")] = value


def _note_rules(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> None:
    _note(ctx, param, frozenset(Allow(name) for name in names))


def _note_spans(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> None:
    _note(ctx, param, tuple(_span(text) for text in texts))


def _span(text: str) -> range:
    if text == FLASH.name:
        return FLASH.addresses
    start, colon, size = text.partition(":")
    try:
        begin, count = int(start, 0), int(size, 0)
    except ValueError:
        begin, count = -1, 0
    if not colon or begin < 0 or count < 1 or begin + count > 1 << 32:
        raise click.BadParameter(f"{text!r} is neither flash nor such as 0x0800_0000:0x10000")
    return range(begin, begin + count)


_allow = click.option(
    "--allow",
    multiple=True,
    is_eager=True,  # the file is read after it is known
    expose_value=False,
    callback=_note_rules,
    type=NameChoice([rule.value for rule in Allow]),
    help="Relax this rule (docs/reference/formats.md); may be repeated.",
)
_only = click.option(
    "--only",
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_note_spans,
    metavar="flash|ADDR:SIZE",
    help="Take what lies there and leave out the rest, which is listed; may be repeated.",
)


def _raw(name: str, text: str) -> Decorator:
    return click.option(
        "--raw", name, is_flag=True, is_eager=True, expose_value=False, callback=_note, help=text
    )


image_options = together(
    _allow,
    _raw("raw", "Take the bytes as they are, as a raw binary, whatever they look like."),
    _only,
)
package_options = together(
    _allow,
    _raw("raw_file", "Take the file whatever its name says. What it is, its bytes tell a device."),
    _only,
)
join_option = click.option(
    "--join",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_note,
    help="Hand numbered parts (.bin_1, .bin_2) out as one package: no module joins them.",
)
component_of_package = click.option(
    "--component", default="", metavar="NAME", help="Of a package: the image for this component."
)


def read_file(
    paths: Sequence[Path], *, base: int | None = None, wanted: Wanted | None = None
) -> ImageFile:
    """The image in *paths* as the options say. What they leave out is told.

    Raises ImageRejected, and PortError where a file cannot be read.
    """
    asked = reading()
    with naming(paths[0]):
        file = read_image(paths, base=base or 0, raw=asked.raw, wanted=wanted, allow=asked.allow)
    if not asked.only:
        return file
    if file.inner is ImageFormat.BIN and base is None:
        raise UsageError(
            "a raw binary has no addresses", where=file.names[0], expected="--base ADDR with --only"
        )
    return _kept(file, asked.only)


def _kept(file: ImageFile, spans: tuple[range, ...]) -> ImageFile:
    image = file.image.within(spans)
    if image is None:
        raise ImageRejected(
            "nothing of the image lies in --only",
            where=file.names[0],
            found=", ".join(described(file.image)),
        )
    begin, end = file.image.start, file.image.end
    edges = [begin, *(edge for s in image.segments for edge in (s.address, s.end)), end]
    gaps = [range(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
    rest = file.image.within(gaps) if gaps else None
    for line in described(rest) if rest is not None else ():
        click.echo(f"left out: {line}", err=True)
    return ImageFile(
        file.names, file.size, file.format, file.inner, image, file.entries, file.members
    )


def described(image: MemoryImage) -> list[str]:
    """Each segment in words, with the memory that it lies in."""
    return [
        f"{len(s.data)} bytes at {address_text(s.address)}, {region_of(s.address).name}"
        for s in image.segments
    ]


def read_for_device(path: Path) -> bytes:
    """The bytes of *path* for a device; written anew as Intel HEX where a rule is relaxed.

    Raises ImageRejected, and PortError where it cannot be read.
    """
    asked = reading()
    if asked.join is False:
        _refuse_parts(path)
    if asked.raw or not (asked.allow or asked.only):
        with naming(path):
            return read_package(path, raw=asked.raw)
    from mcu_updater.files.writing import write_image  # bincopy: not for every start

    file = read_file([path])
    if file.inner is ImageFormat.BIN:
        with naming(path):
            return read_package(path)
    return write_image(file.image, ImageFormat.HEX)


def _refuse_parts(path: Path) -> None:
    """The center's rule (``rules.Why.SEVERAL_FILES``) for who offers a plan without one."""
    count = len(numbered_parts([path]))
    if count > 1:
        raise ImageRejected(
            "modules take one file for an MCU, the package has several",
            where=str(path),
            expected="one file: SDK 2.9.0 joins none; what later ones do is not documented",
            found=f"{count} numbered parts",
            then=f"--join hands them out as one; mcu-updater image convert {path.name} "
            f"{path.stem}.bin makes one of them for a center",
        )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What is rejected says of which file it is; several may stand on a command line."""
    try:
        yield
    except ImageRejected as error:
        if error.where.startswith(str(path)):
            raise
        raise error.placed(f"{path}, {error.where}" if error.where else str(path)) from error


def check_for_device(path: Path, data: bytes) -> None:
    """Decode *data* as a device does, in one pass. Raises ImageRejected with the name."""
    with naming(path):
        decoder = open_any(data[: sniff_size(data)], Wanted(), base=0)
        extents = list(decoder.feed(data))
        decoder.finish()
        assemble(extents, allow=reading().allow)
        for before, extent in pairwise(extents):
            _check_ascends(before, extent)


def _check_ascends(before: Extent, extent: Extent) -> None:
    end = before.address + len(before.data)
    if extent.address < end:
        raise ImageRejected(
            "data do not ascend",
            where=f"line {extent.line}",
            expected=f"an address from {address_text(end)} on: a device writes in one pass",
            found=address_text(extent.address),
            rule=Rule.ORDER,
        )

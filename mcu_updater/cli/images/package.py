"""``package build``: an archive that the updater takes, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import click

from mcu_updater.cli import params, paths
from mcu_updater.cli.names import PART_METAVAR, ManifestPart
from mcu_updater.cli.reading import check_for_device, package_options, read_for_device
from mcu_updater.cli.unused import refuse
from mcu_updater.core.errors import UsageError
from mcu_updater.core.image.names import NUMBERED
from mcu_updater.files.package_build import RESTART, Kind, Source, build
from mcu_updater.storage import write_whole


@click.group("package")
def commands() -> None:
    """Make packages for the cloud: archives with images and a manifest."""


@commands.command("build", short_help="Make a .zip, .tar or .tar.gz.")
@click.argument("out", type=paths.OUTPUT, metavar="OUT")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--component", callback=params.component, metavar="NAME", help="Component that it is for."
)
@click.option("--version", callback=params.version, metavar="V", help="Version of the image.")
@click.option(
    "--part", type=ManifestPart(), default="", metavar=PART_METAVAR, help="Part that it is for."
)
@click.option(
    "--restart",
    type=click.IntRange(0, 1 << 20),
    default=RESTART,
    show_default=True,
    metavar="N",
    help="Bytes between points from which a device can carry on; 0: none, smaller, in one piece.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@package_options
def package_build(
    out: Path,
    images: tuple[str, ...],
    component: str | None,
    version: str | None,
    part: str,
    restart: int,
    force: bool,
) -> None:
    """Pack IMAGE files into OUT, whose suffix says how.

    Each IMAGE is FILE, or FILE:COMPONENT:VERSION:PART where there are several; what is left out
    is taken from the options. The same files give the same package, always. What no device would
    take is not packed; with --allow or --only an image is written anew, as Intel HEX.
    """
    kind = next((kind for kind in Kind if out.name.endswith(f".{kind.value}")), None)
    if kind is None:
        raise UsageError(
            "the suffix says no archive", where=str(out), expected=".zip, .tar, .tar.gz"
        )
    if kind is Kind.TAR:
        refuse(click.get_current_context(), ("restart",), "with .tar, which is not compressed")
    sources = [_source(text, component or "", version or "", part) for text in images]
    paths.claim(out, force=force)
    made = build(kind, sources, restart=restart)
    write_whole(out, made)
    held = sum(len(data) for source in sources for _, data in source.files)
    click.echo(f"{out}: {len(sources)} images, {held} bytes in {len(made)}")


def _source(text: str, component: str, version: str, part: str) -> Source:
    name, *said = text.split(":")
    if len(said) > 3:
        raise UsageError("too many fields", where=text, expected="FILE:COMPONENT:VERSION:PART")
    component, version, part = (
        one or other
        for one, other in zip([*said, "", "", ""][:3], (component, version, part), strict=True)
    )
    part = ManifestPart().convert(part, None, None)
    path = Path(name)
    paths.note_input(path)
    data, inside = path.read_bytes(), path.name
    if not NUMBERED.fullmatch(inside):
        read = read_for_device(path)
        if read != data:  # written anew, as Intel HEX
            data, inside = read, path.with_suffix(".hex").name
        check_for_device(path, data)
    return Source(((inside, data),), component, version, part)

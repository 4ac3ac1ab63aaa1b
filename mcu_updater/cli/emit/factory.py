"""``mcu-updater emit factory``: what the flash of a new device is programmed with, as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from flash_emulator import Part
from mcu_updater.board import Board
from mcu_updater.board.first_install import FirstInstallation
from mcu_updater.cli import params, paths
from mcu_updater.cli.first_image import read_bootloader
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import PART, PART_METAVAR, STRATEGY
from mcu_updater.cli.options import base_option, component_option, image_version_option
from mcu_updater.cli.reading import package_options
from mcu_updater.core.errors import address_text
from mcu_updater.core.image import ImageFormat
from mcu_updater.core.strategy import Strategy
from mcu_updater.files.segments import MemoryImage, Segment
from mcu_updater.files.writing import write_image
from mcu_updater.storage import write_whole


@dataclass(frozen=True, kw_only=True)
class Request:
    """Of ``emit factory``."""

    image: bytes
    part: Part
    version: str
    strategy: Strategy | None
    component: str
    base: int | None
    bootloader: Path | None
    output: Path
    force: bool


@click.command("factory", short_help="Write the flash of a new device, for a programmer.")
@click.argument("image", type=paths.INPUT, callback=params.image)
@package_options
@click.option("--part", type=PART, required=True, metavar=PART_METAVAR, help="What it is for.")
@image_version_option
@click.option(
    "--strategy",
    type=STRATEGY,
    callback=params.strategy,
    help="How an image comes to run.  [default: the part's]",
)
@component_option("Name under which the version is reported.")
@base_option
@click.option(
    "--bootloader",
    type=paths.INPUT,
    metavar="FILE",
    help="Take this program into the boot region too.  [default: leave it out]",
)
@click.option(
    "-o",
    "--output",
    type=paths.OUTPUT,
    required=True,
    metavar="FILE",
    help="Intel HEX, which is made.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@given_as(Request)
def command(given: Request) -> None:
    """Write IMAGE, version V, with its journal and the bootloader, each where it belongs.

    FILE is Intel HEX for any programmer: what `install` writes through the chip's boot ROM. Erase
    the whole chip first. What the file leaves out must be blank.
    """
    paths.claim(given.output, force=given.force)
    board = Board.new(
        given.part,
        given.version,
        given.image,
        strategy=given.strategy,
        component=given.component,
        base=given.base,
    )
    first = FirstInstallation.of(board)
    written = read_bootloader(given.bootloader, first), first.images, first.journals
    pieces = sorted((p for each in written for p in each.segments), key=lambda p: p.address)
    image = MemoryImage(tuple(Segment(each.address, each.data) for each in pieces))
    write_whole(given.output, write_image(image, ImageFormat.HEX))
    click.echo(f"{given.output}: {image.size} bytes for {given.part.name}, {board.strategy}")
    click.echo(f"{given.version} in bank A, at {address_text(first.slot.start)}")
    if given.bootloader is None:
        click.echo("no bootloader is in it: --bootloader")

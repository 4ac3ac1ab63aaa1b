"""``mcu-updater firmware new``: a first board file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from flash_emulator import Part
from flash_emulator.machine.first_board import first_board
from mcu_updater.cli import params, paths
from mcu_updater.cli.firmware.reading import check_board, read_image
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import PART, PART_METAVAR
from mcu_updater.core.errors import UsageError, address_text
from mcu_updater.storage import STDOUT, write_whole


@dataclass(frozen=True, kw_only=True)
class Request:
    """Of ``firmware new``."""

    image: Path
    part: Part
    output: Path
    base: int | None
    force: bool


@click.command("new", short_help="Write a first board file.")
@click.argument("image", type=paths.INPUT)
@click.option("--part", type=PART, required=True, metavar=PART_METAVAR, help="What it runs on.")
@click.option(
    "-o",
    "--output",
    type=paths.OUTPUT_OR_STDOUT,
    default=Path("board.toml"),
    show_default=True,
    metavar="FILE",
    help="The board file.",
)
@click.option(
    "--base",
    callback=params.address,
    metavar="ADDR",
    help="Where plain bytes (.bin) lie in flash.",
)
@paths.force_option
@given_as(Request)
def command(given: Request) -> None:
    """Look at a compiled bootloader, and write a first board file with comments.

    IMAGE is an ELF file, Intel HEX, S-records, or plain bytes with --base. The file says what lies
    in flash, where applications run from, and what must hold; what cannot be seen in the image is
    yours to fill in.
    """
    paths.claim(given.output, force=given.force)
    firmware = read_image(given.image, given.part, given.base)
    if given.base is not None and firmware.span[0] != given.base:
        raise UsageError(
            "--base has no effect on a file that has addresses",
            where=str(given.image),
            found=address_text(firmware.span[0]),
            then="Leave it out",
        )
    file = _from_there(given.image, given.output)
    text = first_board(file, firmware, given.part, _spec(given), given.base)
    check_board(text, _place(given.output))
    write_whole(given.output, text.encode())
    if given.output != STDOUT:
        click.echo(f"{given.output}: fill in what its comments ask for. Then look at one")
        click.echo(f"boot of it: mcu-updater firmware run {given.output}")


def _spec(given: Request) -> str:
    """How the board file names the part."""
    if given.part.own_file is None:
        return given.part.spec
    path = _from_there(Path(given.part.own_file.path), given.output)
    return path if "/" in path or path.endswith(".toml") else f"./{path}"


def _place(output: Path) -> Path:
    return Path("board.toml") if output == STDOUT else output


def _from_there(path: Path, output: Path) -> str:
    """As a board file names it that lies in *output*'s folder."""
    return Path(os.path.relpath(path, _place(output).parent)).as_posix()

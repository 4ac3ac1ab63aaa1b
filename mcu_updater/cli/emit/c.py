"""``mcu-updater emit c``: bootloader and updater in C for one part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from flash_emulator import Part
from mcu_updater.cli import params, paths
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import PART, PART_METAVAR, STRATEGY
from mcu_updater.cli.options import component_option
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c.emit import emit, hal_of, shortages
from mcu_updater.core_c.layout import check_strategy as check_strategy_in_c
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import check_strategy, default_strategy
from mcu_updater.storage import check_folder, write_folder


@dataclass(frozen=True, kw_only=True)
class Request:
    """Of ``emit c``."""

    part: Part
    strategy: Strategy | None
    component: str
    output: Path
    force: bool


@click.command("c", short_help="Write bootloader and updater in C.")
@click.option("--part", type=PART, required=True, metavar=PART_METAVAR, help="What it runs on.")
@click.option(
    "--strategy",
    type=STRATEGY,
    callback=params.strategy,
    help="How an image comes to run; all but option-toggle.  [default: the part's]",
)
@component_option("Name of the device's MCU on the platform.")
@click.option(
    "-o",
    "--output",
    type=paths.FOLDER,
    required=True,
    metavar="DIR",
    help="Folder for it, which is made.",
)
@click.option(
    "--force", is_flag=True, help="Write into a folder that has files; those of other names stay."
)
@given_as(Request)
def command(given: Request) -> None:
    """Write bootloader, updater and an example application in C99 into DIR.

    All of it builds there by make and arm-none-eabi-gcc, and needs nothing of this program. Flash
    layout and decisions are those that `board new`, `install` and `powerloss` have for the part.
    STM32L47x, L48x, F103 and U57x to U5Ax get drivers for flash, USART and resets; for other parts
    these are functions to fill in. DIR/README.md says how to go on.
    """
    strategy = given.strategy or default_strategy(given.part)
    check_strategy_in_c(strategy)
    check_strategy(given.part, strategy)
    laid_out = layout_of(given.part, strategy)
    check_folder(given.output, force=given.force)
    files = emit(given.part, strategy, laid_out, given.component)
    write_folder(given.output, files)
    click.echo(f"{given.output}: {len(files)} files for {given.part.name}, strategy {strategy}")
    if not hal_of(given.part).is_complete:
        click.echo(f"the chip is yours to write: {given.output}/hal/template/hal.c. Until then")
        click.echo("it builds, and the bootloader finds no image")
    for text in shortages(given.part, laid_out):
        click.echo(text)
    click.echo(f"build it: make -C {given.output}. How to go on: {given.output}/README.md")

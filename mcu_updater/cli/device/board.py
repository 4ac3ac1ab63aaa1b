"""``board``: made, looked at and run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from flash_emulator import Part, load_part
from flash_emulator.bootrom import fresh_uid
from mcu_updater.board import Board, load_board, save_board
from mcu_updater.board_view import view as board_view
from mcu_updater.cli import answers, params, paths
from mcu_updater.cli.device.run_options import (
    PART,
    RunOptions,
    board_cut_options,
    file_argument,
    part_option,
    refuse_outcome,
    screen_of,
    screen_options,
    settings_of,
    strategy_option,
    trial_options,
)
from mcu_updater.cli.device.session import Session
from mcu_updater.cli.device.signatures import SignatureOptions, signature_options, trust_of
from mcu_updater.cli.given import given_as
from mcu_updater.cli.options import (
    component_option,
)
from mcu_updater.cli.reading import package_options
from mcu_updater.cli.screen import show
from mcu_updater.cli.unused import READING, refuse
from mcu_updater.core.boot import ATTEMPTS
from mcu_updater.core.session import Policy
from mcu_updater.core.strategy import Strategy
from mcu_updater.report.status import status_json, status_tables
from mcu_updater.report.why import render_sections
from mcu_updater.storage import hold


@dataclass(frozen=True, kw_only=True)
class NewOptions(SignatureOptions):
    """Of ``board new``."""

    file: Path
    version: str
    part: Part | None
    strategy: Strategy | None
    image: bytes | None
    component: str
    seed: int | None
    force: bool


@dataclass(frozen=True, kw_only=True)
class BootOptions(RunOptions):
    """Of ``board boot``."""

    file: Path


@click.group()
def board() -> None:
    """Make, look at and run a board that is kept in a file."""


@board.command("new")
@file_argument
@click.option(
    "--version",
    required=True,
    callback=params.version,
    metavar="V",
    help="Version that it runs.",
)
@part_option
@strategy_option
@click.option(
    "--image",
    type=paths.INPUT,
    metavar="IMAGE",
    callback=params.image,
    help="Firmware in bank A.  [default: a minimal one]",
)
@package_options
@component_option("Name under which the version is reported.")
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Of all its randomness, and of its UID.  [default: 0, and a UID of its own]",
)
@signature_options
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_context
@given_as(NewOptions)
def board_new(given: NewOptions, ctx: click.Context) -> None:
    """Make FILE: a board as it leaves the factory, with version V in bank A.

    With --require-signature IMAGE must be signed, and the bootloader has the keys, too.
    """
    if given.image is None:
        refuse(ctx, READING, "without --image")
    trust = trust_of(given)
    file, version, component = given.file, given.version, given.component
    ctx.with_resource(hold(file))
    paths.claim(file, force=given.force)
    chip = given.part or load_part(PART)
    made = Board.new(
        chip,
        version,
        given.image,
        strategy=given.strategy,
        component=component,
        seed=given.seed or 0,
        trust=trust,
    )
    made.uid = fresh_uid() if given.seed is None else None
    save_board(made, file)
    click.echo(f"{file}: {chip.name}, {made.strategy}, {component} {version} in bank A")


@board.command("status")
@file_argument
@answers.json_option("One JSON object instead of tables.")
def board_status(file: Path, as_json: bool) -> None:
    """Show chip, banks, journals, module and cloud. Changes nothing."""
    status = board_view.board_status(load_board(file), ATTEMPTS)
    if as_json:
        answers.result(status_json(status))
    else:
        show(*status_tables(status))


@board.command("boot")
@file_argument
@board_cut_options
@trial_options
@screen_options
@click.pass_context
@given_as(BootOptions)
def board_boot(given: BootOptions, ctx: click.Context) -> None:
    """Power the board on and let it do what it has to, until it rests."""
    screen = screen_of(given)
    refuse_outcome(ctx, given)
    ctx.with_resource(hold(given.file))
    loaded = load_board(given.file)
    settings = settings_of(given, Policy(loaded.component))
    ctx.exit(Session(loaded, given.file, settings, screen).boot())


@board.command("why")
@file_argument
def board_why(file: Path) -> None:
    """Explain which records lead to the next boot decision. Changes nothing."""
    show(render_sections(board_view.explain(load_board(file), ATTEMPTS)))

"""Options that ``update`` and ``board`` have in common."""

from __future__ import annotations

from dataclasses import dataclass

import click

from flash_emulator import CutAt, Outcome
from mcu_updater.board import Trial
from mcu_updater.cli import answers, names, params, paths
from mcu_updater.cli.decorators import together
from mcu_updater.cli.device.session import SessionSettings
from mcu_updater.cli.options import cut_options
from mcu_updater.cli.screen import Screen, open_screen
from mcu_updater.cli.unused import refuse
from mcu_updater.core.boot import ATTEMPTS
from mcu_updater.core.journal import MAX_ATTEMPTS
from mcu_updater.core.session import Policy

PART, VERSION = "STM32L476xG", "1.0.0"

part_option = click.option(
    "--part",
    type=names.PART,
    metavar=names.PART_METAVAR,
    help=f"Part number of a fresh board.  [default: {PART}]",
)
strategy_option = click.option(
    "--strategy",
    type=names.STRATEGY,
    callback=params.strategy,
    help="How the image to run comes to the CPU of a fresh board. option-toggle is no choice for "
    "a product: a power cut in its option write locks the chip.  [default: the part's]",
)
board_cut_options = together(
    cut_options,
    click.option("--cut-module", is_flag=True, help="The module loses power at the cut, too."),
)
trial_options = together(
    click.option(
        "--trial",
        type=names.NameChoice([trial.value for trial in Trial]),
        default=Trial.PASS.value,
        show_default=True,
        help="How a new image behaves on trial.",
    ),
    click.option(
        "--attempts",
        type=click.IntRange(1, MAX_ATTEMPTS),
        default=ATTEMPTS,
        show_default=True,
        metavar="N",
        help="Trial boots before the old image comes back.",
    ),
)
screen_options = together(
    answers.json_option("JSON lines instead of text."),
    click.option("--quiet", is_flag=True, help="Print nothing but errors."),
    click.option("--verbose", is_flag=True, help="Also print each step that was decided."),
)
file_argument = click.argument("file", type=paths.KEPT)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Of a command that runs a board: what cuts it, how a trial ends, what is printed."""

    cut_at: int | None
    outcome: str
    cut_module: bool
    trial: str
    attempts: int
    as_json: bool
    quiet: bool
    verbose: bool


def refuse_outcome(ctx: click.Context, given: RunOptions) -> None:
    if given.cut_at is None:
        refuse(ctx, ("outcome", "cut_module"), "without --cut-at")


def settings_of(given: RunOptions, policy: Policy) -> SessionSettings:
    cut_at = given.cut_at
    return SessionSettings(
        policy=policy,
        cut=CutAt(cut_at, Outcome(given.outcome)) if cut_at else None,
        cut_module=given.cut_module,
        trial=Trial(given.trial),
        attempts=given.attempts,
    )


def screen_of(given: RunOptions) -> Screen:
    return open_screen(as_json=given.as_json, quiet=given.quiet, verbose=given.verbose)

"""``update``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import click

from flash_emulator import Part, load_part
from flash_emulator.bootrom import fresh_uid
from mcu_updater.board import Board, Trial, load_board, save_board
from mcu_updater.cli import line_log, params, paths
from mcu_updater.cli.device.module_link import PORT_HELP, LinkOptions, ModuleOptions, module_options
from mcu_updater.cli.device.module_session import ModuleSession, wanted_package
from mcu_updater.cli.device.rom_update import TargetOptions, target_options, update_target
from mcu_updater.cli.device.run_options import (
    PART,
    VERSION,
    RunOptions,
    board_cut_options,
    part_option,
    refuse_outcome,
    screen_of,
    screen_options,
    settings_of,
    strategy_option,
    trial_options,
)
from mcu_updater.cli.device.session import Session, SessionSettings
from mcu_updater.cli.device.signatures import SignatureOptions, signature_options, trust_of
from mcu_updater.cli.given import given_as
from mcu_updater.cli.options import (
    base_option,
    component_option,
    piece_size_option,
    read_size_option,
)
from mcu_updater.cli.reading import join_option, package_options
from mcu_updater.cli.screen import Screen
from mcu_updater.cli.unused import READING, refuse
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.errors import UsageError
from mcu_updater.core.session import Policy
from mcu_updater.core.strategy import Strategy
from mcu_updater.storage import hold


@dataclass(frozen=True, kw_only=True)
class UpdateOptions(RunOptions, ModuleOptions, TargetOptions, SignatureOptions):
    """Of ``update``."""

    image: bytes | None
    file: Path | None
    module: str | None
    any_package: bool
    wait: float  # seconds
    source: str | None
    target: str
    component: str
    part: Part | None
    strategy: Strategy | None
    base: int | None
    read_size: int
    piece_size: int | None
    md5: bytes
    sha256: bytes

    @property
    def policy(self) -> Policy:
        return Policy(
            self.component,
            self.read_size,
            self.base,
            plan_s=self.wait,
            verdict_s=self.verdict_wait,
            plan_once=self.plan_once,
        )


@click.command(short_help="Carry out a whole upgrade, from plan to reported version.")
@click.argument("image", type=paths.INPUT, callback=params.image, required=False)
@package_options
@join_option
@click.option(
    "--board",
    "file",
    type=paths.KEPT,
    metavar="FILE",
    help="File that keeps the board; made if missing.",
)
@click.option("--module", metavar="PORT", help=PORT_HELP + "  [default: an emulated module]")
@click.option(
    "--any", "any_package", is_flag=True, help="With --module, instead of IMAGE: what is offered."
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=Policy().plan_s,
    show_default=True,
    metavar="S",
    help="How long to wait for a plan, asked for or not.",
)
@click.option(
    "--from",
    "source",
    callback=params.version,
    metavar="V",
    help=f"Fresh board: the version it runs.  [default: {VERSION}]  "
    "Existing board: offer the plan to devices at V only.",
)
@click.option(
    "--to",
    "target",
    default="2.0.0",
    show_default=True,
    callback=params.version,
    metavar="V",
    help="Version that IMAGE is announced as.",
)
@component_option("Component that the plan is for.")
@part_option
@strategy_option
@base_option
@read_size_option
@piece_size_option
@click.option(
    "--md5",
    callback=params.digest(16),
    metavar="HEX",
    help="MD5 to announce.  [default: the true one]",
)
@click.option(
    "--sha256",
    callback=params.digest(32),
    metavar="HEX",
    help="SHA-256 to announce.  [default: the true one]",
)
@signature_options
@module_options
@target_options
@board_cut_options
@trial_options
@screen_options
@click.pass_context
@given_as(UpdateOptions)
def update(given: UpdateOptions, ctx: click.Context) -> None:
    """Upgrade to IMAGE (.bin, .hex, .s19): cloud, module, flash, trial, version.

    A board that another command left in the middle of an upgrade finishes that one first.

    With --module the plan comes from the Developer Center behind the module at PORT, and IMAGE is
    what must come: another package is refused before anything is erased.

    With --require-signature IMAGE must be signed, and --to must name the version that was signed.
    """
    screen = screen_of(given)
    _refuse_unused(ctx, given)
    settings = settings_of(given, given.policy)
    if given.module is not None:
        ctx.exit(_update_with_module(ctx, given, given.module, settings, screen))
    if given.image is None or given.any_package:
        raise UsageError("no IMAGE to upgrade to", expected="IMAGE, or --any with --module PORT")
    package = Package(given.image, given.md5, given.sha256)
    chip = given.chip(given.part)
    if chip is not None:
        plan = Plan(given.component, given.target, package, given.source or "")
        trust = trust_of(given)
        ctx.exit(update_target(chip, given.strategy, trust, plan, settings, screen))
    ctx.with_resource(_kept(given.file))
    exists, board = _board_of(given)
    _measure(board, given)
    source = (given.source or "") if exists else ""
    plan = Plan(given.component, given.target, package, source)
    settings = replace(settings, policy=replace(settings.policy, component=board.component))
    ctx.exit(Session(board, given.file, settings, screen).upgrade(plan))


def _kept(file: Path | None) -> AbstractContextManager[None]:
    """The board's file for this process alone, from reading to writing."""
    return nullcontext() if file is None else hold(file)


_OF_A_PORT = (
    *("baud", "echo", "line_end", "timeout", "register"),
    *("read_ahead", "usb_packet", "flash_time"),
)
_OF_A_CHIP = ("target_baud", "target_reset")
_OF_AN_EMULATED_BOARD = ("file", "piece_size", "cut_at", "outcome", "cut_module")
_OF_A_MODULE = ("battery", "signal")  # real or emulated, it measures
_OF_THE_EMULATED_MODULE = ("target", "piece_size", "md5", "sha256")


def _refuse_unused(ctx: click.Context, given: UpdateOptions) -> None:
    """Of module, board and chip, each is emulated or real: what belongs to the other is refused."""
    if given.module is not None and given.target_port is not None:
        raise UsageError("--module and --target are mutually exclusive", then="Leave one out")
    refuse_outcome(ctx, given)
    if given.image is None:
        refuse(ctx, READING, "without IMAGE")
    if given.module is None:
        refuse(ctx, _OF_A_PORT, "without --module")
        if given.target_port is None:
            refuse(ctx, (line_log.NAME,), "without --module or --target")
    if given.target_port is None:
        refuse(ctx, _OF_A_CHIP, "without --target")
    else:
        refuse(ctx, _OF_AN_EMULATED_BOARD, "with --target")
        refuse(ctx, _OF_A_MODULE, "with --target: the host upgrades the chip, there is no module")
        if given.trial not in _TRIALS_OF_A_HOST:
            raise UsageError(
                f"--trial {given.trial} has no effect with --target: the host judges the trial, "
                "for it cannot run the image",
                expected=f"--trial {' or '.join(_TRIALS_OF_A_HOST)}",
            )


_TRIALS_OF_A_HOST = (Trial.PASS.value, Trial.FAIL.value)


def _update_with_module(
    ctx: click.Context, given: UpdateOptions, port: str, settings: SessionSettings, screen: Screen
) -> int:
    image = given.image
    if (image is None) is not given.any_package:
        raise UsageError("name the expected package", expected="IMAGE, or --any")
    refuse(ctx, _OF_THE_EMULATED_MODULE, "with --module: the Developer Center sets it")
    ctx.with_resource(_kept(given.file))
    exists, board = _board_of(given)
    if exists:
        why = "with --module and a board that exists"
        refuse(ctx, ("source",), why)
        if given.component != board.component:
            refuse(ctx, ("component",), f"{why}: it has {board.component}")
    settings = replace(settings, policy=replace(settings.policy, component=board.component))
    wanted = None if image is None else wanted_package(image)
    link = LinkOptions.of(port, given, given.read_size)
    return ModuleSession(board, given.file, settings, screen, link, wanted, image).follow()


def _board_of(given: UpdateOptions) -> tuple[bool, Board]:
    """The board, and whether it existed before."""
    file = given.file
    if file is not None and file.exists():
        return True, _existing(file, given)
    return False, _fresh(file, given)


def _existing(file: Path, given: UpdateOptions) -> Board:
    board = load_board(file)
    board.trust = trust_of(given) or board.trust
    part = given.part
    if part is not None and part.name != board.part.name:
        raise UsageError(
            "the board has another part", where=str(file), expected=part.name, found=board.part.name
        )
    strategy = given.strategy
    if strategy not in (None, board.strategy):
        raise UsageError(
            "the board has another strategy",
            where=str(file),
            expected=str(strategy),
            found=board.strategy,
        )
    _set_sizes(board, given.piece_size, given.read_size)
    return board


def _fresh(file: Path | None, given: UpdateOptions) -> Board:
    part = given.part or load_part(PART)
    board = Board.new(
        part,
        given.source or VERSION,
        strategy=given.strategy,
        component=given.component,
    )
    board.trust = trust_of(given)
    board.uid = fresh_uid()
    _set_sizes(board, given.piece_size, given.read_size)
    if file is not None:
        save_board(board, file)  # before anything runs, so that a bad path is found now
    return board


def _measure(board: Board, given: UpdateOptions) -> None:
    """Let the emulated module measure what was given, and the device look at it."""
    options = board.module.options
    if given.battery is not None:
        options = replace(options, battery=given.battery)
    if given.signal is not None:
        options = replace(options, rsrp_dbm=given.signal)
    if (given.battery, given.signal) != (None, None):
        board.checks_limits = True
        board.configure_module(options)


def _set_sizes(board: Board, piece_size: int | None, read_size: int) -> None:
    """Let the emulated module give pieces of that size, and reads as large as are asked for."""
    options = board.module.options
    if piece_size is not None:
        options = replace(options, piece_size=piece_size)
    board.configure_module(replace(options, max_read=max(options.max_read, read_size)))

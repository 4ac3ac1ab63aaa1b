"""``mcu-updater firmware explore``: every cut of power, on the machine code."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from flash_emulator.explore import Nothing, PathLeft, Progress, replay, shrink
from flash_emulator.explore.campaign import Campaign, Result, parse_replay_id
from flash_emulator.machine.board_facts import name_of, world_of
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.first_boot import SeenBoot
from flash_emulator.machine.sampling import sample
from flash_emulator.power import Outcome
from mcu_updater.cli import exits, paths
from mcu_updater.cli.firmware.advice import advice_on
from mcu_updater.cli.firmware.coverage import CoverageRun, coverage_run
from mcu_updater.cli.firmware.debugging import serve_debugger
from mcu_updater.cli.firmware.reading import first_boot, read_board
from mcu_updater.cli.given import given_as
from mcu_updater.cli.powerloss.film_page import FilmPage
from mcu_updater.cli.powerloss.powerloss_end import sooner_by
from mcu_updater.cli.powerloss.powerloss_path import conclude_check, confirmed, tell_film
from mcu_updater.cli.powerloss.powerloss_tables import show_results
from mcu_updater.cli.powerloss.project.file import find, nothing_to_do
from mcu_updater.cli.powerloss.project.file import read as read_configuration
from mcu_updater.cli.powerloss.searches import (
    Named,
    SearchRequest,
    brute_force_option,
    carry_out,
    content_options,
    limit_options,
    path_options,
    project_options,
    refuse_beside_quick,
    report_options,
)
from mcu_updater.cli.unused import refuse, refuse_all_but
from mcu_updater.core.errors import ImageRejected, UsageError, VerificationFailed
from mcu_updater.powerloss.firmware import explore_board, map_of
from mcu_updater.powerloss.searching import SearchSettings


@dataclass(frozen=True, kw_only=True)
class Request(SearchRequest):
    """Of ``firmware explore``."""

    board: Path | None
    outcomes: tuple[Outcome, ...]
    replay: str | None
    shrink: bool
    is_opened: bool
    check: Path | None
    check_sample: int | None
    resets: int | None
    coverage: Path | None
    gdb: int | None

    @property
    def _outcomes(self) -> tuple[Outcome, ...]:
        return self.outcomes


def _outcomes(_: click.Context, __: click.Parameter, text: str) -> tuple[Outcome, ...]:
    """``before,after``; ``all``."""
    if text == "all":
        return tuple(Outcome)
    words = [word.strip().lower() for word in text.split(",")]
    known = [outcome.value for outcome in Outcome]
    for word in words:
        if word not in known:
            raise click.BadParameter(f"{word!r} is not one of {', '.join(known)}, all")
    return tuple(outcome for outcome in Outcome if outcome.value in words)


outcomes_option = click.option(
    "--outcomes",
    default="all",
    show_default=True,
    callback=_outcomes,
    metavar="LIST",
    help="What cuts may leave, such as 'before,after': quicker, and no whole answer: exit code 15.",
)


@click.command("explore", short_help="Cut power at every operation, with every outcome.")
@click.argument("board", type=paths.INPUT, required=False)
@limit_options
@outcomes_option
@click.option(
    "--resets",
    type=click.IntRange(1),
    metavar="MOMENTS",
    help="Before the search: interrupt the first boot between two blocks near its flash "
    "operations, by power, by pin and by the watchdog, at so many moments. A sample.",
)
@click.option(
    "--coverage",
    type=paths.FOLDER,
    metavar="FOLDER",
    help="Write which lines and branches ran, and which of them after a cut, into this folder: a "
    "page, lcov and JSON.",
)
@brute_force_option
@content_options
@report_options
@project_options
@path_options("drawn at random")
@click.option(
    "--gdb",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="With --replay: wait for gdb at this port of 127.0.0.1, with the boot that goes wrong at "
    "its reset. 0: any port that is free.",
)
@given_as(Request)
def command(given: Request) -> None:
    """Boot what BOARD describes, and cut its power at every flash operation, with every outcome,
    any number of times. Every state that cuts can come to is booted, and asked what the board asks.
    Without BOARD: all boards of a configuration file.

    Exit code 7 when something was found; 2 when a limit stopped the search, also --cuts 1, which
    tries single cuts alone; 15 when all passed and --outcomes left some out.
    """
    _refuse_unused(click.get_current_context(), given)
    if given.board is None:
        _of_project(given)
        return
    read = read_board(given.board)
    first = first_boot(read)
    if given.replay is not None:
        _replay(given, read, given.replay)
    elif given.check is not None:
        _check(given, read, given.check)
    else:
        wrong = sampled(given, read, first)
        _explore(given, read, first)
        if wrong:
            raise click.exceptions.Exit(exits.CODES[VerificationFailed])


_MOST_TOLD = 5
_OF_A_REPLAY = (
    "gdb",
    *("replay", "shrink", "html", "is_opened", "as_json", "quiet", "brute_force", "draws"),
    *("erased_values", "options_at_risk", "decays"),
)


def _refuse_unused(ctx: click.Context, given: Request) -> None:
    if given.board is not None:
        refuse(ctx, ("config", "no_config", "dry_run"), "with BOARD: it is searched alone")
    else:
        refuse(ctx, ("replay", "check", "coverage"), "without BOARD")
        if given.no_config:
            refuse(ctx, ("config",), "with --no-config")
    if given.replay is not None:
        refuse_all_but(ctx, _OF_A_REPLAY, "with --replay: the ID says what was explored")
        if given.gdb is not None:
            refuse(ctx, ("as_json", "html", "is_opened"), "with --gdb: gdb shows what happens")
    elif given.check is not None:
        taken = ("check", "check_sample", "as_json", "quiet")
        refuse_all_but(ctx, taken, "with --check: the certificate says it")
    else:
        refuse(ctx, ("shrink", "is_opened", "gdb"), "without --replay")
        refuse(ctx, ("check_sample",), "without --check")
        if given.board is not None:
            refuse_beside_quick(ctx, quick=given.quick)
        if given.quick:
            refuse(ctx, ("coverage",), "with --quick: several searches share its budget")


# --- searching


def _of_project(given: Request) -> None:
    from mcu_updater.cli.powerloss.project import run  # it knows this module

    file = None if given.no_config else find(Path.cwd())
    file = file if given.config is None else read_configuration(given.config)
    if file is None:
        raise nothing_to_do(None)
    run.run(click.get_current_context(), given, file)


def sampled(given: Request, read: BoardFile, first: SeenBoot) -> bool:
    """Whether anything was found by ``--resets``; it is told at once, on standard error."""
    if given.resets is None or first.violation is not None:
        return False
    found = sample(read.board, most=given.resets, symbols=read.symbols)
    click.echo(f"resets: {found}", err=True)
    for each in found.found[:_MOST_TOLD]:
        click.echo(f"  {each}", err=True)
    if len(found.found) > _MOST_TOLD:
        click.echo(f"  and {len(found.found) - _MOST_TOLD} more", err=True)
    return bool(found.found)


def _explore(given: Request, read: BoardFile, first: SeenBoot) -> None:
    how = " --brute-force" if given.brute_force else ""
    command = f"mcu-updater firmware explore {shlex.quote(str(given.board))}{how} --replay"
    sooner = sooner_by(
        "a depth (--cuts), fewer outcomes (--outcomes before,after) or smaller images"
    )
    with coverage_run(given.coverage, read, given) as coverage:
        named = Named(name_of(read), partial(_explored, read, first, coverage))
        show = partial(_show, read, first, coverage)
        carry_out(given, [named], command, show, sooner=sooner)
    if given.options.outcomes != tuple(Outcome) and not given.accept_incomplete:
        raise click.exceptions.Exit(exits.NARROWER)


def _explored(
    read: BoardFile,
    first: SeenBoot,
    coverage: CoverageRun | None,
    settings: SearchSettings,
    tell: Callable[[Progress], None],
) -> Result:
    if coverage is None:
        return explore_board(read, first, settings, tell)
    result = explore_board(read, first, replace(settings, observer=coverage.traced), tell)
    coverage.write(settings.failed)
    return result


def _show(read: BoardFile, first: SeenBoot, coverage: CoverageRun | None, done: Campaign) -> None:
    show_results(done)
    for result in done.results:
        for name in ("not asked", "registers that nobody models", "polls that were cut short"):
            click.echo(f"{name}: {result.facts[name]}")
    for line in coverage.lines if coverage is not None else ():
        click.echo(line)
    if first.violation is not None:
        click.echo(
            "The very first boot, with no cut at all, is already wrong: mend that, or the board "
            f"file, first. mcu-updater firmware run {shlex.quote(str(read.path))} shows all of it."
        )
        advice = advice_on(read, first)
        if advice:
            click.echo(f"{advice}.")


# --- one path, one certificate


def _replay(given: Request, read: BoardFile, text: str) -> None:
    """The film names the instruction that does each operation."""
    subject, flash, options = read.subject.unit_by_unit, read.board.flash(), given.options
    page = FilmPage(given.html, given.is_opened)
    page.claim(as_json=given.as_json)
    try:
        name, path = parse_replay_id(text)
        if given.shrink:
            path = shrink(read.subject, flash, Nothing(), path, options)
        _note_another(read, name)
        if given.gdb is not None:
            serve_debugger(read, path, options, given.gdb)
            return
        film = replay(subject, flash, Nothing(), path, options)
    except (ValueError, PathLeft) as error:
        raise UsageError("this path cannot be run", where=text, found=str(error)) from error
    tell_film(film, map_of(read), f"{name_of(read)}:{path}", page, as_json=given.as_json)


def _note_another(read: BoardFile, name: str) -> None:
    if name != name_of(read):
        click.echo(
            f"note: this ID is of {name}; the board is now {name_of(read)}: it, or an image, is "
            "another one",
            err=True,
        )


def _check(given: Request, read: BoardFile, certificate: Path) -> None:
    def world(header: dict[str, str]) -> tuple[Any, Any, Any]:
        if header != world_of(read):
            raise ImageRejected(
                "no certificate of this board",
                where=str(certificate),
                expected=f"the world {world_of(read)}",
                found=str(header),
            )
        return read.subject, read.board.flash(), Nothing()

    verdict = confirmed(certificate, world, given.check_sample, 0)
    conclude_check(verdict, certificate, as_json=given.as_json)

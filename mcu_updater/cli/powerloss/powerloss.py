"""``mcu-updater powerloss``: explore, replay, check a certificate, compare strategies."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import click

from flash_emulator import Decay, Part, load_part
from flash_emulator.explore import Limits, Processes, SearchOptions
from flash_emulator.explore.campaign import Campaign, Result
from flash_emulator.explore.render import campaign_json
from mcu_updater.cli import answers, paths
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import PART_METAVAR, NameChoice, PartName
from mcu_updater.cli.powerloss.powerloss_end import Ran, conclude
from mcu_updater.cli.powerloss.powerloss_list import show_scenarios
from mcu_updater.cli.powerloss.powerloss_path import check_certificate, replay_path
from mcu_updater.cli.powerloss.powerloss_progress import ProgressLine
from mcu_updater.cli.powerloss.powerloss_reports import Reports
from mcu_updater.cli.powerloss.powerloss_tables import comparison_table, show_results
from mcu_updater.cli.reading import package_options, read_for_device
from mcu_updater.cli.screen import show_unfolded
from mcu_updater.cli.unused import READING, refuse, refuse_all_but
from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.strategies import default_strategy, strategies_of
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.catalogue import (
    SCENARIOS,
    Target,
    filled,
    scenario,
    small_size,
    with_file,
)
from mcu_updater.powerloss.images import FORMATS
from mcu_updater.powerloss.scenario import Scenario

DEFAULT_PART = "STM32L476xG"

EACH = ("STM32L476xG", "STM32H743xI", "STM32U575xI", "STM32F429xI", "STM32F103x8")
"""One part of every class that has a layout of its own: ``--part each``."""

COMPARED = (
    "STM32L476xG",
    "STM32G474xE_dual",
    "STM32F429xI",
    "STM32L552xE",
    "STM32U575xI",
    "STM32G0B1xE",
    "STM32H743xI",
    "STM32H563xI",
    "STM32F103x8",
)
"""Parts in the table of ``--strategy all``, where none is named."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Of ``powerloss``. *size*: of made-up images: "small", "full", or bytes."""

    image: Path | None
    parts: tuple[str, ...]
    strategy: str | None
    scenarios: tuple[str, ...]
    formats: tuple[str, ...]
    size: str
    seed: int
    jobs: int
    cuts: int | None
    states: int
    time_s: float | None
    brute_force: bool
    no_representatives: bool
    draws: int
    erased_values: bool
    options_at_risk: bool
    decays: tuple[str, ...]
    html: Path | None
    junit: Path | None
    json_file: Path | None
    as_json: bool
    certificates: Path | None
    quiet: bool
    strict: bool
    replay: str | None
    shrink: bool
    check: Path | None
    check_sample: int | None
    option_change_us: int | None
    list_scenarios: bool

    @cached_property
    def options(self) -> SearchOptions:
        """Of the search. Raises UsageError for those of which no certificate can be written."""
        beside = {"--options-at-risk": self.options_at_risk, "--decay": bool(self.decays)}
        for switch, is_given in beside.items():
            if is_given and self.certificates is not None:
                raise UsageError(
                    f"a certificate cannot be written with {switch}",
                    expected=f"--certificates or {switch}",
                    found="both",
                    then="Leave one out: certificates are checked by what the model does by itself",
                )
        return SearchOptions(
            limits=Limits(cuts=self.cuts, states=self.states, time_s=self.time_s),
            merge=not self.brute_force,
            representatives=not (self.brute_force or self.no_representatives),
            options_at_risk=self.options_at_risk,
            decays=tuple(each for each in Decay if each in self.decays or "all" in self.decays),
            draws=self.draws,
            erased_values=self.erased_values,
        )


def _size(_: click.Context, __: click.Parameter, text: str) -> str:
    if text not in ("small", "full") and not text.isdigit():
        raise click.BadParameter(f"{text!r} is not 'small', 'full' or a number of bytes")
    return text


def _parts(_: click.Context, __: click.Parameter, names: tuple[Part | str, ...]) -> tuple[str, ...]:
    """What ``load_part`` finds each one by, also in another process."""
    return tuple(name if isinstance(name, str) else name.spec for name in names)


@click.command("powerloss")
@click.argument("image", type=paths.INPUT, required=False)
@package_options
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=PartName("each"),
    callback=_parts,
    metavar=PART_METAVAR,
    help="May be given several times; 'each': one part of every class.  [default: STM32L476xG]",
)
@click.option(
    "--strategy",
    type=NameChoice([*(one.value for one in Strategy), "all"]),
    help="Boot strategy; 'all' prints a table of what each one risks.  [default: the part's]",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=NameChoice([*SCENARIOS, "all"]),
    help="What goes wrong beside the power; may be given several times.  [default: good]",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=NameChoice(FORMATS),
    help="Of made-up images.  [default: bin]",
)
@click.option(
    "--size",
    default="small",
    show_default=True,
    callback=_size,
    metavar="SIZE",
    help="Of made-up images: 'small' is two sectors, 'full' the slot; or bytes.",
)
@click.option(
    "--cuts", type=click.IntRange(1), help="At most so many cuts in a row; 1: every single cut."
)
@click.option(
    "--states",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="Stop at so many states.",
)
@click.option(
    "--time",
    "time_s",
    type=click.FloatRange(1),
    metavar="SECONDS",
    help="Stop each search after so long.",
)
@click.option(
    "--brute-force", is_flag=True, help="Tell every unit apart: take nothing for unknown."
)
@click.option(
    "--no-representatives",
    is_flag=True,
    help="Boot every state, also where the journal takes another one for as good. Slower.",
)
@click.option(
    "--draws",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Random contents of each torn place and outcome.",
)
@click.option(
    "--erased-values",
    is_flag=True,
    help="Let cut erases, too, leave every value that is compared with. Some ten times slower.",
)
@click.option(
    "--options-at-risk",
    is_flag=True,
    help="Let a cut plain write corrupt option bytes, too: F4, F7, one unconfirmed report.",
)
@click.option(
    "--decay",
    "decays",
    multiple=True,
    type=NameChoice([*Decay, "all"]),
    help="A supply that decays slowly: 'last', the last complete operation is weak, too; 'drift', "
    "what is blank of the sector erased last drifts back. Beside the model: no document says.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what cuts leave.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    help="Processes.  [default: one a core]",
)
@click.option(
    "--html", type=paths.OUTPUT_OR_STDOUT, metavar="FILE", help="Write a report for a browser."
)
@click.option("--junit", type=paths.OUTPUT_OR_STDOUT, metavar="FILE", help="Write JUnit XML.")
@click.option(
    "--json-file", type=paths.OUTPUT_OR_STDOUT, metavar="FILE", help="Write all numbers and films."
)
@answers.json_option("All numbers and films as one JSON object instead of a table.")
@click.option(
    "--certificates",
    type=paths.FOLDER,
    help="Write a certificate of each search into this folder.",
)
@click.option("--replay", metavar="ID", help="Show, step by step, what happens on this path.")
@click.option(
    "--shrink", is_flag=True, help="With --replay: look for fewer cuts that come to the same."
)
@click.option(
    "--check",
    type=paths.INPUT,
    metavar="CERTIFICATE",
    help="Check a certificate by running its states again.",
)
@click.option(
    "--check-sample",
    type=click.IntRange(1),
    help="With --check: only so many states, drawn by --seed: exit code 14.  [default: all]",
)
@click.option(
    "--option-change-us",
    type=click.IntRange(1),
    help="For the table: how long a change of option bytes takes. No document says.",
)
@click.option(
    "--list", "list_scenarios", is_flag=True, help="Say what scenarios there are, and their cost."
)
@click.option("--strict", is_flag=True, help="A known hazard is a failure, too: exit code 7.")
@click.option("--quiet", is_flag=True, help="No progress.")
@given_as(Request)
def command(given: Request) -> None:
    """Cut power at every flash operation, with every outcome, any number of times.

    IMAGE is the firmware to upgrade to; without it one is made up. Every state that cuts can come
    to is booted, and asked: is it safe, does it go on, is nothing false told, in the journal or to
    the module, is no good upgrade lost, is a failed image not tried too often? Exit code 7 when
    something was found that is no known hazard, or with --strict any; 2 when a limit stopped a
    search. What is known so far is shown and written when a search is interrupted, too.
    """
    _refuse_unused(click.get_current_context(), given)
    if given.list_scenarios:
        show_scenarios(as_json=given.as_json)
    elif given.replay is not None:
        options, image = given.options, given.image
        replay_path(image, given.replay, options, shrink=given.shrink, as_json=given.as_json)
    elif given.check is not None:
        sample, seed = given.check_sample, given.seed
        check_certificate(given.image, given.check, sample, seed, as_json=given.as_json)
    elif given.strategy == "all":
        _compare(given)
    else:
        _explore(given)


_OF_A_REPLAY = (
    *("replay", "shrink", "as_json", "quiet", "brute_force", "no_representatives", "draws"),
    *("erased_values", "options_at_risk", "decays", *READING),
)
_OF_A_CHECK = ("check", "check_sample", "as_json", "quiet", *READING)


def _refuse_unused(ctx: click.Context, given: Request) -> None:
    if given.list_scenarios:
        refuse_all_but(ctx, ("list_scenarios", "as_json", "quiet"), "with --list")
        refuse(ctx, ("image",), "with --list")
    elif given.replay is not None:
        refuse_all_but(ctx, _OF_A_REPLAY, "with --replay: the ID says what was explored")
    elif given.check is not None:
        seed = () if given.check_sample is None else ("seed",)
        refuse_all_but(ctx, (*_OF_A_CHECK, *seed), "with --check: the certificate says it")
    else:
        refuse(ctx, ("shrink",), "without --replay")
        refuse(ctx, ("check_sample",), "without --check")
        if given.strategy != "all":
            refuse(ctx, ("option_change_us",), "without --strategy all")
    if given.image is None:
        refuse(ctx, READING, "without IMAGE")
    else:
        refuse(ctx, ("formats", "size"), "with IMAGE: only images that are made up have one")


# --- what to explore


def _scenarios(request: Request) -> list[Scenario]:
    parts = request.parts or (DEFAULT_PART,)
    return [
        scenario(name, target, seed=request.seed)
        for part in (EACH if "each" in parts else parts)
        for target in _targets(request, part, _strategy(request, part))
        for name in _names(request)
    ]


def _names(request: Request) -> Collection[str]:
    return SCENARIOS if "all" in request.scenarios else request.scenarios or ("good",)


def _strategy(request: Request, part: str) -> Strategy:
    chosen = request.strategy
    return default_strategy(load_part(part)) if chosen is None else Strategy(chosen)


def _targets(request: Request, part: str, strategy: Strategy) -> Iterator[Target]:
    chip = load_part(part)
    size = {"small": small_size(chip, strategy), "full": None}
    bytes_ = size[request.size] if request.size in size else int(request.size)
    for fmt in request.formats or ("bin",):
        target = filled(part, bytes_, fmt, strategy)  # type: ignore[arg-type]
        yield target if request.image is None else with_file(target, read_for_device(request.image))
        if request.image is not None:
            return


# --- exploring


@contextmanager
def _executor(jobs: int) -> Iterator[Executor | None]:
    if jobs == 1:
        yield None
        return
    with Processes(jobs) as executor:
        yield executor


def _run(request: Request, scenarios: Sequence[Scenario]) -> Ran:
    """One after the other, until one is interrupted."""
    ran, line = Ran(), ProgressLine(quiet=request.quiet)
    try:
        if request.certificates is not None:
            _make_folder(request.certificates)
        with _executor(request.jobs) as executor:
            settings = campaign.SearchSettings(
                request.options,
                executor,
                request.certificates,
                ran.unwritten.append,
                ran.interrupted,
            )
            for number, each in enumerate(scenarios, 1):
                place, limit_s = f"{number}/{len(scenarios)}", request.options.limits.time_s
                tell = line.teller(each.id, place, limit_s)
                ran.results.append(campaign.explore(each, settings, tell))
                if ran.interrupt is not None:
                    break
    except KeyboardInterrupt as interrupt:  # between two searches
        ran.interrupt = interrupt
    finally:
        line.close()
    return ran


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PortError(
            "this folder cannot be made", where=str(path), found=error.strerror or str(error)
        ) from error


def _campaign(request: Request, results: list[Result]) -> Campaign:
    image = f" {shlex.quote(str(request.image))}" if request.image else ""
    return Campaign(
        "Power loss, explored",
        tuple(results),
        datetime.now(UTC).isoformat(timespec="seconds"),
        f"mcu-updater powerloss{image}{_how(request.options)} --replay",
        f"mcu-updater {version('mcu-updater')}",
        shlex.join(["mcu-updater", *sys.argv[1:]]),
        request.strict,
    )


def _how(options: SearchOptions) -> str:
    """What a replay must be told, too: which states stand for others."""
    if not options.merge:
        return " --brute-force"
    return "" if options.representatives else " --no-representatives"


def _explore(request: Request) -> None:
    _carry_out(request, _scenarios(request), show_results)


def _compare(request: Request) -> None:
    """The table of strategies."""
    parts = request.parts or COMPARED
    chosen = EACH if "each" in parts else parts
    scenarios = [
        scenario(name, target, seed=request.seed)
        for part in chosen
        for strategy in strategies_of(load_part(part))
        for target in _targets(request, part, strategy)
        for name in _names(request)
    ]

    def show(done: Campaign) -> None:
        show_unfolded(comparison_table(scenarios, done.results, request.option_change_us))
        click.echo(str(done))

    _carry_out(request, scenarios, show)


def _carry_out(
    request: Request, scenarios: Sequence[Scenario], show: Callable[[Campaign], None]
) -> None:
    """Search, and tell what came of it wherever it is asked for."""
    reports = Reports(request.html, request.junit, request.json_file)
    reports.claim(as_json=request.as_json)
    ran = _run(request, scenarios)
    done = _campaign(request, ran.results)
    if request.as_json:
        answers.result(json.loads(campaign_json(done)))
    elif not reports.have_stdout:
        show(done)
    ran.unwritten += reports.write(done)
    conclude(done, ran)

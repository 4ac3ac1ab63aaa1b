"""``mcu-updater powerloss``: explore, replay, check a certificate, compare strategies."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from flash_emulator import Part, load_part
from flash_emulator.explore import Progress, SearchOptions
from flash_emulator.explore.campaign import Campaign, Origin, Result
from mcu_updater.cli import answers, paths
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import PART_METAVAR, NameChoice, PartName
from mcu_updater.cli.powerloss.film_page import FilmPage
from mcu_updater.cli.powerloss.powerloss_list import show_scenarios
from mcu_updater.cli.powerloss.powerloss_path import check_certificate, replay_path
from mcu_updater.cli.powerloss.powerloss_tables import comparison_table
from mcu_updater.cli.powerloss.project.file import Configuration, find, read
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
from mcu_updater.cli.reading import package_options, read_for_device
from mcu_updater.cli.screen import show_unfolded
from mcu_updater.cli.unused import READING, refuse, refuse_all_but
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.strategies import default_strategy, strategies_of
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.catalogue import (
    SCENARIOS,
    Target,
    filled,
    names_of,
    scenario,
    small_size,
    with_file,
)
from mcu_updater.powerloss.images import FORMATS
from mcu_updater.powerloss.scenario import Core, Scenario
from mcu_updater.powerloss.searching import SearchSettings

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
class Request(SearchRequest):
    """Of ``powerloss``. *size*: of made-up images: "small", "full", or bytes."""

    image: Path | None
    parts: tuple[str, ...]
    strategy: str | None
    scenarios: tuple[str, ...]
    core: str
    formats: tuple[str, ...]
    size: str
    seed: int
    no_representatives: bool
    strict: bool
    replay: str | None
    shrink: bool
    is_opened: bool
    check: Path | None
    check_sample: int | None
    option_change_us: int | None
    list_scenarios: bool

    @property
    def _has_representatives(self) -> bool:
        return not (self.brute_force or self.no_representatives)


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
    "--core",
    type=NameChoice([each.value for each in Core]),
    default=Core.PYTHON.value,
    show_default=True,
    help="The updater that is the device's firmware: that in Python, or that in C of 'emit c'.",
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
@limit_options
@brute_force_option
@click.option(
    "--no-representatives",
    is_flag=True,
    help="Boot every state, also where the journal takes another one for as good. Slower.",
)
@content_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of what cuts leave.")
@report_options
@path_options("drawn by --seed")
@click.option(
    "--option-change-us",
    type=click.IntRange(1),
    help="For the table: how long a change of option bytes takes. No document says.",
)
@click.option(
    "--list", "list_scenarios", is_flag=True, help="Say what scenarios there are, and their cost."
)
@project_options
@click.option("--strict", is_flag=True, help="A known hazard is a failure, too: exit code 7.")
@given_as(Request)
def command(given: Request) -> None:
    """Cut power at every flash operation, with every outcome, any number of times.

    IMAGE is the firmware to upgrade to; without it one is made up, or the campaign of a
    configuration file is run, where there is one. Every state that cuts can come
    to is booted, and asked: is it safe, does it go on, is nothing false told, in the journal or to
    the module, is no good upgrade lost, is a failed image not tried too often? Exit code 7 when
    something was found that is no known hazard, or with --strict any; 2 when a limit stopped a
    search. What is known so far is shown and written when a search is interrupted, too.
    """
    _refuse_unused(click.get_current_context(), given)
    if given.list_scenarios:
        show_scenarios(as_json=given.as_json)
    elif given.replay is not None:
        options, image, page = given.options, given.image, FilmPage(given.html, given.is_opened)
        replay_path(image, given.replay, options, page, shrink=given.shrink, as_json=given.as_json)
    elif given.check is not None:
        sample, seed = given.check_sample, given.seed
        check_certificate(given.image, given.check, sample, seed, as_json=given.as_json)
    elif (file := _configuration(given)) is not None:
        _of_project(file, given)
    else:
        refuse_beside_quick(click.get_current_context(), quick=given.quick)
        (_compare if given.strategy == "all" else _explore)(given)


def _configuration(given: Request) -> Configuration | None:
    """What an image, or a table of strategies, has no use for."""
    if given.config is not None:
        return read(given.config)
    if given.no_config or given.image is not None or given.strategy == "all":
        return None
    return find(Path.cwd())


def _of_project(file: Configuration, given: Request) -> None:
    from mcu_updater.cli.powerloss.project import run  # knows compiled firmware, too

    of = run.OfScenarios(
        lambda values: Request(**values),
        lambda values: _scenarios(Request(**values)),
        lambda values: _replayed_by(Request(**values)),
    )
    run.run(click.get_current_context(), given, file, of)


_OF_A_REPLAY = (
    *("replay", "shrink", "html", "is_opened", "as_json", "quiet", "brute_force"),
    *("no_representatives", "draws", "erased_values", "options_at_risk", "decays", *READING),
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
        refuse(ctx, ("shrink", "is_opened"), "without --replay")
        refuse(ctx, ("check_sample",), "without --check")
        if given.strategy != "all":
            refuse(ctx, ("option_change_us",), "without --strategy all")
    if given.no_config:
        refuse(ctx, ("config",), "with --no-config")
    if given.strategy == "all":
        refuse(ctx, ("config", "dry_run"), "with --strategy all")
    if given.image is None:
        refuse(ctx, READING, "without IMAGE")
    else:
        refuse(ctx, ("formats", "size"), "with IMAGE: only images that are made up have one")
        refuse(ctx, ("config", "no_config"), "with IMAGE: it is searched alone")


# --- what to explore


def _scenarios(request: Request, usual: Sequence[str] = (DEFAULT_PART,)) -> list[Scenario]:
    """*usual*: parts, where the request names none."""
    parts = request.parts or usual
    return [
        scenario(name, target, seed=request.seed, core=Core(request.core))
        for part in (EACH if "each" in parts else parts)
        for strategy in _strategies(request, part)
        for target in _targets(request, part, strategy)
        for name in _names(request)
    ]


def _names(request: Request) -> Collection[str]:
    if "all" in request.scenarios:
        return names_of(Core(request.core))
    return request.scenarios or ("good",)


def _strategies(request: Request, part: str) -> Sequence[Strategy]:
    chosen = request.strategy
    if chosen == "all":
        return tuple(strategies_of(load_part(part)))
    return (default_strategy(load_part(part)) if chosen is None else Strategy(chosen),)


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


def _how(options: SearchOptions) -> str:
    """What a replay must be told, too: which states stand for others."""
    if not options.merge:
        return " --brute-force"
    return "" if options.representatives else " --no-representatives"


def _explore(request: Request) -> None:
    scenarios = _scenarios(request)
    if request.dry_run:
        _tell(scenarios, as_json=request.as_json)
    else:
        _carry_out(request, scenarios)


def _tell(scenarios: Sequence[Scenario], *, as_json: bool) -> None:
    """``--dry-run``, with no configuration file."""
    if as_json:
        searches = [{"name": each.id} for each in scenarios]
        answers.result({"configuration": None, "searches": searches})
    else:
        click.echo("\n".join(each.id for each in scenarios))
        click.echo("Nothing was searched: --dry-run")


def _replayed_by(request: Request) -> str:
    image = f" {shlex.quote(str(request.image))}" if request.image else ""
    return f"mcu-updater powerloss{image}{_how(request.options)} --replay"


def _compare(request: Request) -> None:
    """The table of strategies."""
    scenarios = _scenarios(request, COMPARED)

    def show(done: Campaign) -> None:
        show_unfolded(comparison_table(scenarios, done.results, request.option_change_us))
        click.echo(str(done))

    _carry_out(request, scenarios, show)


def _carry_out(
    request: Request,
    scenarios: Sequence[Scenario],
    show: Callable[[Campaign], None] | None = None,
) -> None:
    command = _replayed_by(request)
    searches = [Named(each.id, partial(_explored, each, request.image)) for each in scenarios]
    carry_out(request, searches, command, show, strict=request.strict)


def _explored(
    scenario: Scenario,
    image: Path | None,
    settings: SearchSettings,
    tell: Callable[[Progress], None],
) -> Result:
    file = "" if image is None else str(image)
    origin = Origin(file, identity=campaign.identity_of(scenario))
    return campaign.explore(scenario, settings, tell, origin)

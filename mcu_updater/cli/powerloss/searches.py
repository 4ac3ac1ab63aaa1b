"""What ``powerloss`` and ``firmware explore`` have in common: the options of a search, running one
search after the other, and telling what came of them."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

import click

from flash_emulator import Decay
from flash_emulator.explore import Limits, Processes, Progress, SearchOptions
from flash_emulator.explore.campaign import Campaign, Result
from flash_emulator.explore.render import campaign_json
from flash_emulator.power import Outcome
from mcu_updater import __version__
from mcu_updater.cli import answers, paths
from mcu_updater.cli.decorators import Decorator, together
from mcu_updater.cli.names import NameChoice
from mcu_updater.cli.powerloss.cluster import cluster
from mcu_updater.cli.powerloss.powerloss_end import Ran, conclude, sooner_by
from mcu_updater.cli.powerloss.powerloss_progress import ProgressLine
from mcu_updater.cli.powerloss.powerloss_reports import GITHUB, Reports
from mcu_updater.cli.powerloss.powerloss_tables import show_results
from mcu_updater.cli.unused import refuse
from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.powerloss.searching import SearchSettings

ANNOTATIONS = ("none", GITHUB)
LONGER = "Leave --quick out for the whole answer; a longer --budget looks at more"


class Seconds(click.FloatRange):
    """At least one; and an end, which neither nan nor inf is."""

    def __init__(self) -> None:
        super().__init__(1)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = float(super().convert(value, param, ctx))
        if not isfinite(found):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return found


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """The options of ``search_options``."""

    cuts: int | None
    states: int
    time_s: float | None
    quick: bool
    budget: float
    accept_incomplete: bool
    brute_force: bool
    draws: int
    erased_values: bool
    options_at_risk: bool
    decays: tuple[str, ...]
    jobs: int
    scheduler: str | None
    ahead: int
    html: Path | None
    junit: Path | None
    json_file: Path | None
    sarif: Path | None
    codequality: Path | None
    annotations: str
    as_json: bool
    certificates: Path | None
    quiet: bool
    config: Path | None
    no_config: bool
    dry_run: bool

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
            outcomes=self._outcomes,
            limits=Limits(cuts=self.cuts, states=self.states, time_s=self.time_s),
            merge=not self.brute_force,
            representatives=self._has_representatives,
            options_at_risk=self.options_at_risk,
            decays=tuple(each for each in Decay if each in self.decays or "all" in self.decays),
            draws=self.draws,
            erased_values=self.erased_values,
            ahead=self.ahead,
        )

    @property
    def _has_representatives(self) -> bool:
        return not self.brute_force

    @property
    def _outcomes(self) -> tuple[Outcome, ...]:
        return tuple(Outcome)


bound_options = together(
    click.option(
        "--cuts", type=click.IntRange(1), help="At most so many cuts in a row; 1: every single cut."
    ),
    click.option(
        "--states",
        type=click.IntRange(1),
        default=1_000_000,
        show_default=True,
        help="Stop at so many states.",
    ),
    click.option(
        "--time",
        "time_s",
        type=Seconds(),
        metavar="SECONDS",
        help="Stop each search after so long.",
    ),
)


limit_options = together(
    bound_options,
    click.option(
        "--quick",
        is_flag=True,
        help="Single cuts, spread over the first boot, for as long as --budget says. Says what it "
        "leaves out, and is no pass: exit code 2, or 7 where something was found.",
    ),
    click.option(
        "--budget",
        type=Seconds(),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="With --quick: how long all searches together may take.",
    ),
    click.option(
        "--accept-incomplete",
        is_flag=True,
        help="End with 0 where nothing was found, though a limit stopped the search or outcomes "
        "were left out: for hooks. It is told, and is no pass, all the same.",
    ),
)

brute_force_option = click.option(
    "--brute-force", is_flag=True, help="Tell every unit apart: take nothing for unknown."
)
depth_options = together(
    click.option(
        "--draws",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Random contents of each torn place and outcome.",
    ),
    click.option(
        "--erased-values",
        is_flag=True,
        help="Let cut erases, too, leave every value that is compared with. Some ten times slower.",
    ),
)

content_options = together(
    depth_options,
    click.option(
        "--options-at-risk",
        is_flag=True,
        help="Let a cut plain write corrupt option bytes, too: F4, F7, one unconfirmed report.",
    ),
    click.option(
        "--decay",
        "decays",
        multiple=True,
        type=NameChoice([*Decay, "all"]),
        help="A supply that decays slowly: 'last', the last complete operation is weak, too; "
        "'drift', what is blank of the sector erased last drifts back. Beside the model: no "
        "document says.",
    ),
)

report_options = together(
    click.option(
        "--jobs",
        type=click.IntRange(1),
        default=os.cpu_count() or 1,
        help="Processes.  [default: one a core]",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Boot on the workers of a dask scheduler, such as tcp://host:8786, instead of --jobs.",
    ),
    click.option(
        "--ahead",
        type=click.IntRange(0),
        default=SearchOptions().ahead,
        show_default=True,
        help="Batches of 48 states that are under way beyond one: so many workers can be busy. "
        "Figures depend on it a little, verdicts do not.",
    ),
    click.option(
        "--html",
        type=paths.OUTPUT_OR_STDOUT,
        metavar="FILE",
        help="Write a report for a browser; with --replay, the film.",
    ),
    click.option("--junit", type=paths.OUTPUT_OR_STDOUT, metavar="FILE", help="Write JUnit XML."),
    click.option(
        "--json-file",
        type=paths.OUTPUT_OR_STDOUT,
        metavar="FILE",
        help="Write all numbers and films.",
    ),
    click.option(
        "--sarif",
        type=paths.OUTPUT_OR_STDOUT,
        metavar="FILE",
        help="Write findings as SARIF 2.1.0, for code scanning.",
    ),
    click.option(
        "--codequality",
        type=paths.OUTPUT_OR_STDOUT,
        metavar="FILE",
        help="Write findings as a Code Quality report of GitLab.",
    ),
    click.option(
        "--annotations",
        type=NameChoice(ANNOTATIONS),
        default=ANNOTATIONS[0],
        show_default=True,
        help="'github': print workflow commands that mark lines in a review, and add a table to "
        "the job's summary.",
    ),
    answers.json_option("All numbers and films as one JSON object instead of a table."),
    click.option(
        "--certificates",
        type=paths.FOLDER,
        help="Write a certificate of each search into this folder.",
    ),
    click.option("--quiet", is_flag=True, help="No progress."),
)

project_options = together(
    click.option(
        "--config",
        type=paths.INPUT,
        metavar="FILE",
        help="The project's campaign.  [default: powerloss.toml, or pyproject.toml with "
        "[tool.mcu-updater.powerloss], here or above]",
    ),
    click.option("--no-config", is_flag=True, help="Look for no configuration file."),
    click.option("--dry-run", is_flag=True, help="Say what would be searched, and search nothing."),
)


def path_options(sampled: str) -> Decorator:
    """One path again, or one certificate. *sampled*: how ``--check-sample`` chooses."""
    return together(
        click.option(
            "--replay", metavar="ID", help="Show, step by step, what happens on this path."
        ),
        click.option(
            "--shrink",
            is_flag=True,
            help="With --replay: look for fewer cuts that come to the same.",
        ),
        click.option(
            "--open",
            "is_opened",
            is_flag=True,
            help="With --replay: show the film in a browser, from the FILE of --html, or from a "
            "temporary one.",
        ),
        click.option(
            "--check",
            type=paths.INPUT,
            metavar="CERTIFICATE",
            help="Check a certificate by running its states again.",
        ),
        click.option(
            "--check-sample",
            type=click.IntRange(1),
            help=f"With --check: only so many states, {sampled}: exit code 14.  [default: all]",
        ),
    )


def refuse_beside_quick(ctx: click.Context, *, quick: bool) -> None:
    """Options that a quick search sets by itself, or that mean nothing without one."""
    if quick:
        refuse(ctx, ("cuts", "time_s"), "with --quick, which makes single cuts within --budget")
        refuse(ctx, ("certificates",), "with --quick: it comes to nothing that can be certified")
    else:
        refuse(ctx, ("budget",), "without --quick")


@dataclass(frozen=True, slots=True)
class Named:
    """A search to be run, by its name."""

    name: str
    explore: Callable[[SearchSettings, Callable[[Progress], None]], Result]


def carry_out(
    request: SearchRequest,
    searches: Sequence[Named],
    command: str,
    show: Callable[[Campaign], None] | None = None,
    *,
    strict: bool = False,
    sooner: str = sooner_by("a depth (--cuts) or a smaller --size"),
) -> Campaign:
    """Search, and tell what came of it wherever it is asked for. *command*: what replays an ID
    that is put behind it. Raises what the whole comes to."""
    reports = Reports.of(request)
    reports.claim(as_json=request.as_json)
    ran = _run(request, searches)
    done = Campaign(
        "Power loss, explored",
        tuple(ran.results),
        datetime.now(UTC).isoformat(timespec="seconds"),
        command,
        f"mcu-updater {__version__}",
        shlex.join(["mcu-updater", *sys.argv[1:]]),
        strict,
    )
    if request.as_json:
        answers.result(json.loads(campaign_json(done)))
    elif not reports.have_stdout:
        (show or show_results)(done)
    ran.unwritten += reports.write(done, as_json=request.as_json)
    if request.quick:
        sooner = LONGER
    conclude(done, ran, sooner, accept_incomplete=request.accept_incomplete)
    return done


def _run(request: SearchRequest, searches: Sequence[Named]) -> Ran:
    """One after the other, until one is interrupted."""
    ran, line = Ran(), ProgressLine(quiet=request.quiet)
    try:
        if request.certificates is not None:
            make_folder(request.certificates)
        with executor_of(request) as executor:
            settings = SearchSettings(
                request.options,
                executor,
                request.certificates,
                ran.unwritten.append,
                ran.interrupted,
            )
            until_s = time.monotonic() + request.budget
            for number, each in enumerate(searches, 1):
                place, limit_s = f"{number}/{len(searches)}", request.options.limits.time_s
                if request.quick:  # each has an equal share of what those before have left
                    left_s = max(0.0, until_s - time.monotonic())
                    limit_s = left_s / (len(searches) - number + 1)
                    settings = replace(settings, budget_s=limit_s)
                ran.results.append(each.explore(settings, line.teller(each.name, place, limit_s)))
                if ran.interrupt is not None:
                    break
    except KeyboardInterrupt as interrupt:  # between two searches
        ran.interrupt = interrupt
    finally:
        line.close()
    return ran


@contextmanager
def executor_of(request: SearchRequest) -> Iterator[Executor | None]:
    """Who boots: a cluster, processes, or nobody but us. Raises PortError without a cluster."""
    if request.scheduler is not None:
        with cluster(request.scheduler) as executor:
            yield executor
    elif request.jobs == 1:
        yield None
    else:
        with Processes(request.jobs) as processes:
            yield processes


def make_folder(path: Path) -> None:
    """Raises PortError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PortError(
            "this folder cannot be made", where=str(path), found=error.strerror or str(error)
        ) from error

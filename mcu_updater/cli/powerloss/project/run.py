"""Runs the campaign of a configuration file, or says what it would run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from flash_emulator.explore import Progress, SearchOptions
from flash_emulator.explore.campaign import Campaign, Origin, Result
from flash_emulator.machine.board_facts import name_of
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.first_boot import SeenBoot
from flash_emulator.power import Outcome
from mcu_updater.cli import answers, exits, paths
from mcu_updater.cli.firmware import explore as firmware
from mcu_updater.cli.firmware.reading import first_boot
from mcu_updater.cli.powerloss.powerloss_end import sooner_by
from mcu_updater.cli.powerloss.powerloss_reports import Reports
from mcu_updater.cli.powerloss.powerloss_tables import show_results
from mcu_updater.cli.powerloss.project.file import Configuration, nothing_to_do
from mcu_updater.cli.powerloss.project.keys import Value, Values
from mcu_updater.cli.powerloss.project.plan import (
    Plan,
    Planned,
    Planner,
    ScenariosOf,
)
from mcu_updater.cli.powerloss.searches import (
    Named,
    SearchRequest,
    carry_out,
    refuse_beside_quick,
)
from mcu_updater.core.errors import UsageError, VerificationFailed
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.firmware import explore_board, origin_of
from mcu_updater.powerloss.known_hazards import KnownHazard, excuse_of, unmet
from mcu_updater.powerloss.scenario import Scenario
from mcu_updater.powerloss.searching import SearchSettings

Request = TypeVar("Request", bound=SearchRequest)
RequestOf = Callable[[dict[str, Any]], SearchRequest]


@dataclass(frozen=True, slots=True)
class OfScenarios:
    """What ``powerloss`` brings: its request and its scenarios, of options by parameter name."""

    request_of: RequestOf
    scenarios_of: ScenariosOf
    command_of: Callable[[dict[str, Any]], str]


def run(
    ctx: click.Context, given: SearchRequest, file: Configuration, of: OfScenarios | None = None
) -> None:
    """All of *file*. *of* is None where only its boards are asked for."""
    paths.note_input(file.path)  # no report replaces it
    scenarios_of = None if of is None else of.scenarios_of
    plan = Planner(file, ctx, firmware.command, scenarios_of).plan()
    if not plan.boards and not plan.scenarios:
        raise nothing_to_do(file)
    _refuse_idle(ctx, plan)
    common = _common(given, plan)
    refuse_beside_quick(ctx, quick=common.quick)
    if common.quick and common.certificates is not None:
        raise UsageError(
            "quick searches come to nothing that can be certified",
            where=str(file.path),
            expected="quick or certificates",
            found="both",
        )
    if given.dry_run:
        Reports.of(common).claim(as_json=False)  # what the run would refuse is refused here
        _tell(plan, as_json=given.as_json)
        return
    boards = [_Board.of(each, common) for each in plan.boards]
    searches = [each.named() for each in boards]
    if of is not None:
        searches += [_named(each, of, plan, common) for each in plan.scenarios]
    show = partial(_show, boards)
    sooner = sooner_by("a depth (cuts = 1), fewer outcomes or smaller images")
    wrong = [each for each in boards if each.sampled()]
    strict = bool(plan.campaign.parsed.get("strict", False))
    carry_out(common, searches, "", show, strict=strict, sooner=sooner)
    if wrong:
        raise click.exceptions.Exit(exits.CODES[VerificationFailed])
    if any(each.is_narrower for each in boards) and not common.accept_incomplete:
        raise click.exceptions.Exit(exits.NARROWER)


def _common(given: Request, plan: Plan) -> Request:
    """*given*, with what the file says of the whole campaign."""
    said = {name: each.value for name, each in plan.campaign.said() if hasattr(given, name)}
    return replace(given, **said)


def _refuse_idle(ctx: click.Context, plan: Plan) -> None:
    """What chooses scenarios, where there are none; what is of boards is no option there."""
    if plan.scenarios:
        return
    for name in ("parts", "strategy", "scenarios", "core", "formats", "size", "seed"):
        source = ctx.get_parameter_source(name)
        if source is click.core.ParameterSource.COMMANDLINE:
            option = next(each for each in ctx.command.params if each.name == name)
            raise UsageError(
                f"{option.opts[0]} has no effect",
                where=str(plan.file.path),
                found="boards alone",
                then="--no-config searches what the command line says, and nothing else",
            )


# --- boards


@dataclass(frozen=True, slots=True)
class _Board:
    planned: Planned[BoardFile]
    request: firmware.Request
    first: SeenBoot

    @classmethod
    def of(cls, planned: Planned[BoardFile], common: SearchRequest) -> _Board:
        request = firmware.Request(**planned.values.parsed)
        request = replace(request, certificates=common.certificates)
        return cls(planned, request, first_boot(planned.asked))

    @property
    def is_narrower(self) -> bool:
        return self.request.options.outcomes != tuple(Outcome)

    def sampled(self) -> bool:
        return firmware.sampled(self.request, self.planned.asked, self.first)

    def named(self) -> Named:
        read, known = self.planned.asked, self.planned.known
        how = " --brute-force" if self.request.brute_force else ""
        command = f"mcu-updater firmware explore {shlex.quote(str(read.path))}{how} --replay"
        origin = replace(origin_of(read), command=command, excuse=excuse_of(known))
        return Named(
            name_of(read),
            partial(_explored_board, read, self.first, self.request.options, known, origin),
        )


def _explored_board(
    read: BoardFile,
    first: SeenBoot,
    options: SearchOptions,
    known: tuple[KnownHazard, ...],
    origin: Origin,
    settings: SearchSettings,
    tell: Callable[[Progress], None],
) -> Result:
    settings = replace(settings, options=options)
    return _with_hazards(explore_board(read, first, settings, tell, known, origin), known)


# --- scenarios


def _named(planned: Planned[Scenario], of: OfScenarios, plan: Plan, common: SearchRequest) -> Named:
    parsed, scenario = planned.values.parsed, planned.asked
    request = replace(of.request_of(parsed), certificates=common.certificates)
    origin = Origin(
        str(plan.file.path),
        planned.line,
        identity=campaign.identity_of(scenario),
        command=of.command_of(parsed),
        excuse=excuse_of(planned.known),
    )
    return Named(
        scenario.id,
        partial(_explored_scenario, scenario, request.options, planned.known, origin),
    )


def _explored_scenario(
    scenario: Scenario,
    options: SearchOptions,
    known: tuple[KnownHazard, ...],
    origin: Origin,
    settings: SearchSettings,
    tell: Callable[[Progress], None],
) -> Result:
    settings = replace(settings, options=options)
    return _with_hazards(campaign.explore(scenario, settings, tell, origin, known), known)


# --- what is told


def _with_hazards(result: Result, known: tuple[KnownHazard, ...]) -> Result:
    """With what is known, for all reports; and what of it is not so any more."""
    if not known:
        return result
    facts = {**result.facts, "known hazards": excuse_of(known)}
    gone = unmet(known, result.report) if result.report and result.report.complete else []
    if gone:
        facts["known hazards not found"] = excuse_of(gone)
    return replace(result, facts=facts)


def _show(boards: list[_Board], done: Campaign) -> None:
    show_results(done)
    for result in done.results:
        for name in ("known hazards not found", "not asked", "polls that were cut short"):
            if result.facts.get(name, "none") != "none":
                click.echo(f"{result.name}: {name}: {result.facts[name]}")
    for each in boards:
        if each.first.violation is not None:
            path = shlex.quote(str(each.planned.asked.path))
            click.echo(
                f"{path}: the very first boot, with no cut at all, is already wrong. "
                f"mcu-updater firmware run {path} shows all of it."
            )


def _tell(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        answers.result(
            {
                "configuration": str(plan.file.path),
                "searches": [
                    {"name": name, "board": board, "options": _plain(values)}
                    for name, board, values, _ in _rows(plan)
                ],
                "campaign": _plain(plan.campaign),
            }
        )
        return
    rows = list(_rows(plan))
    click.echo(f"{plan.file.path}: {len(rows)} search{'' if len(rows) == 1 else 'es'}")
    for name, board, values, known in rows:
        click.echo(f"{name}{f'  {board}' if board else ''}")
        for line in (*_said(values), *(f"known hazard: {each.reason}" for each in known)):
            click.echo(f"    {line}")
    for line in _said(plan.campaign):
        click.echo(line)
    click.echo("Nothing was searched: --dry-run")


def _rows(plan: Plan) -> Iterator[tuple[str, str, Values, tuple[KnownHazard, ...]]]:
    for board in plan.boards:
        yield name_of(board.asked), str(board.asked.path), board.values, board.known
    for each in plan.scenarios:
        yield each.asked.id, "", each.values, each.known


_NOT_TOLD = ("dry_run", "config", "no_config", "as_json")


def _said(values: Values) -> Iterator[str]:
    for name, each in values.said():
        if name not in _NOT_TOLD:
            yield f"{name.removesuffix('_s').replace('_', '-')}: {_text(each)} ({each.source})"


def _text(each: Value) -> str:
    value = each.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


def _plain(values: Values) -> dict[str, Any]:
    return {
        name: {"value": _json(each.value), "from": each.source}
        for name, each in values.said()
        if name not in _NOT_TOLD
    }


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json(each) for each in value]
    return str(value) if isinstance(value, Path) else value

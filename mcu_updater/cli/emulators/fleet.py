"""``mcu-updater fleet``: many emulated devices upgraded against one center."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from flash_emulator import Part
from mcu_updater.cli import answers, params, paths
from mcu_updater.cli.emulators.center import db_option, file_argument
from mcu_updater.cli.given import given_as
from mcu_updater.cli.names import PART, PART_METAVAR, NameChoice
from mcu_updater.cli.screen import console, show
from mcu_updater.cli.unused import refuse
from mcu_updater.cloud.center import device_session
from mcu_updater.cloud.center.load import CenterFile, read_center
from mcu_updater.cloud.center.monitoring import monitor
from mcu_updater.cloud.center.store import Ending, Store
from mcu_updater.core.errors import UsageError, VerificationFailed
from mcu_updater.core.events import Event
from mcu_updater.fleet import fault_plan
from mcu_updater.fleet.components import components_of
from mcu_updater.fleet.fault_plan import FleetSettings
from mcu_updater.fleet.fleet import replay, run_fleet, with_devices
from mcu_updater.report import center as report
from mcu_updater.report.lines import event_json, line_of, plain_line
from mcu_updater.storage import hold

_MEAN = click.FloatRange(0, fault_plan.MOST)
_SHOWN = 20  # endings that are told one by one


@dataclass(frozen=True, kw_only=True)
class FleetOptions:
    """Of ``fleet``."""

    file: Path
    count: int | None
    seed: int
    cuts: float
    faults: float
    kinds: tuple[str, ...]
    bad_trials: float
    weak: float
    part: Part | None
    version: str
    jobs: int | None
    force: bool
    replayed: str | None
    db: Path | None
    as_json: bool


@click.command("fleet", short_help="Upgrade many emulated devices against one center.")
@file_argument
@click.option(
    "--devices", "count", type=int, metavar="N", help="So many, in place of those in FILE."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that goes wrong.")
@click.option(
    "--cuts", type=_MEAN, default=1.0, show_default=True, help="Power cuts of a device, on average."
)
@click.option(
    "--faults", type=_MEAN, default=1.0, show_default=True, help="Link faults of a device."
)
@click.option(
    "--fault",
    "kinds",
    type=NameChoice(fault_plan.KINDS),
    multiple=True,
    help="Only link faults of this kind; may be given again.  [default: all kinds]",
)
@click.option(
    "--bad-trials",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of devices on which no new image passes its trial.",
)
@click.option(
    "--weak",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of devices whose battery or signal is too low; half of them come round.",
)
@click.option("--part", type=PART, metavar=PART_METAVAR, help="Part number of the boards.")
@click.option(
    "--from",
    "version",
    default="1.0.0",
    show_default=True,
    callback=params.version,
    metavar="V",
    help="Version of devices of which FILE says none.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one for each core]")
@click.option("--force", is_flag=True, help="Replace the state file if it exists.")
@click.option(
    "--replay", "replayed", metavar="ID", help="Only this device of the fleet, event by event."
)
@db_option
@answers.json_option("One JSON object at the end.")
@click.pass_context
@given_as(FleetOptions)
def command(given: FleetOptions, ctx: click.Context) -> None:
    """Upgrade the devices of the center FILE, with power cuts and link faults, until all rest.

    Every device must end upgraded, or with a failure that is true: the center, the module and the
    flash agree on it. The exit code is 7 where one does not. The state file can be looked at
    meanwhile: mcu-updater center monitor. What happens to a device depends on the seed and its
    name alone, so --replay with the same options, but for --jobs
    and --db, shows it again.
    """
    file = given.file
    read = with_devices(read_center(file), given.count)
    _refuse_unused(ctx, given, read)
    settings = _settings(given)
    if given.replayed is not None:
        refuse(ctx, ("jobs", "db"), "with --replay: one device, and no state file")
        _replay(read, settings, given.replayed, as_json=given.as_json)
        return
    path = given.db or device_session.state_path(file)
    paths.claim(path, force=given.force)
    ctx.with_resource(hold(path))
    if given.force and path.exists():
        Store.remove(path)
    begun_s = time.perf_counter()
    endings = run_fleet(read, path, settings, given.jobs, count=given.count)
    ended = list(_tracked(endings, len(read.center.devices), quiet=given.as_json))
    wall_s = time.perf_counter() - begun_s
    with closing(Store.open(path, read_only=True)) as store:
        seen = monitor(read.center, store)
    if given.as_json:
        answers.result({**report.monitoring_json(seen), "wall_s": round(wall_s, 3)})
    else:
        show(
            *report.monitoring_tables(
                seen, everyone=False, more="mcu-updater center monitor --all shows them"
            )
        )
        _tell(ended, file, settings, wall_s)
    _conclude(ended)


def _refuse_unused(ctx: click.Context, given: FleetOptions, read: CenterFile) -> None:
    if given.faults == 0:
        refuse(ctx, ("kinds",), "with --faults 0")
    center = read.center
    if all(set(components_of(center, device)) <= set(device.versions) for device in center.devices):
        refuse(ctx, ("version",), "where FILE says the version of every device")


def _settings(given: FleetOptions) -> FleetSettings:
    part = given.part
    return FleetSettings(
        seed=given.seed,
        cuts=given.cuts,
        faults=given.faults,
        bad_trials=given.bad_trials,
        weak=given.weak,
        part=part.spec if part is not None else fault_plan.DEFAULT_PART,
        version=given.version,
        kinds=given.kinds or fault_plan.KINDS,
    )


def _tracked(endings: Iterator[Ending], total: int, *, quiet: bool) -> Iterator[Ending]:
    if quiet or not sys.stderr.isatty():
        yield from endings
        return
    yield from track(endings, "devices", total, console=Console(stderr=True), transient=True)


def _tell(ended: list[Ending], file: Path, settings: FleetSettings, wall_s: float) -> None:
    """How many seconds it took, and who did not upgrade."""
    out = console()
    rest = sorted((e for e in ended if e.text), key=lambda e: (e.is_consistent, e.device))
    for ending in rest[:_SHOWN]:
        out.print(f"{ending.device}: {ending.outcome}: {ending.text}", soft_wrap=True)
    if len(rest) > _SHOWN:
        out.print(f"and {len(rest) - _SHOWN} more: see the state file")
    if rest:
        out.print(
            "See one of them again: the same command with --replay "
            f"{rest[0].device}, without --jobs and --db"
        )
    out.print(f"{len(ended)} devices of {file}, seed {settings.seed}, in {wall_s:.1f} s")


def _replay(read: CenterFile, settings: FleetSettings, device: str, *, as_json: bool) -> None:
    def watch(event: Event, time_us: int) -> None:
        if as_json:
            answers.event(event_json(event, time_us))
            return
        line = line_of(event)
        if line is not None and line.kind != "decide":
            click.echo(plain_line(line, time_us))

    ending = replay(read, settings, device, watch)
    if as_json:
        answers.result({"event": "replayed", **asdict(ending)})
        _conclude([ending])
        return
    click.echo(f"{ending.device}: {ending.outcome}: {ending.text or ending.version}")
    click.echo(f"sessions {ending.sessions}, cuts {ending.cuts}, digest {ending.digest}")
    _conclude([ending])


def _conclude(ended: list[Ending]) -> None:
    """Whether the report of any device was inconsistent."""
    inconsistent = [ending for ending in ended if not ending.is_consistent]
    if inconsistent:
        raise VerificationFailed(
            f"{len(inconsistent)} of {len(ended)} devices gave an inconsistent report",
            where=inconsistent[0].device,
            expected="an upgrade, or a failure, that center, module and flash agree on",
            found=inconsistent[0].text,
            then="Run the same command with --replay and the device, without --jobs and --db, to "
            "see what happens",
        )
    if not ended:
        raise UsageError("no device has run")

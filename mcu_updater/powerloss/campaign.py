"""Explores scenarios one after the other, and puts together what a report shows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256

from flash_emulator import Part, Trace, load_part
from flash_emulator.explore import Film, Path, Progress, Report, SearchOptions
from flash_emulator.explore import replay as replay_path
from flash_emulator.explore import shrink as shrink_path
from flash_emulator.explore.campaign import Expectation, Origin, Result
from flash_emulator.player import FlashMap
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.regions import regions
from mcu_updater.flash_map.strategies import hazard
from mcu_updater.powerloss.in_c import subject_of
from mcu_updater.powerloss.known_hazards import KnownHazard, with_known
from mcu_updater.powerloss.questions import OPTIONS_LOST
from mcu_updater.powerloss.scenario import Core, Scenario
from mcu_updater.powerloss.searching import SearchSettings, Target, explore_target
from mcu_updater.powerloss.subject import BoardSubject


def explore(
    scenario: Scenario,
    settings: SearchSettings,
    progress: Callable[[Progress], None] | None = None,
    origin: Origin | None = None,
    known: Sequence[KnownHazard] = (),
) -> Result:
    """Explore one scenario. A search that cannot be believed is a result too.

    *origin*: what asked for it; None: nothing that is a file. *known*: hazards of the project's,
    beside those that the strategy brings.
    """
    subject = subject_of(scenario)
    if known or not hazard(subject.part, scenario.strategy).harmless:  # it is found again and again
        limits = replace(settings.options.limits, violations=None)
        settings = replace(settings, options=replace(settings.options, limits=limits))
    target = Target(
        scenario.id,
        subject,
        subject.flash,
        subject.external,
        map_of(subject.part, scenario.strategy),
        facts_of(scenario, subject.part),
        scenario.world,
        with_known(known, partial(expectation, scenario)),
        origin=origin or Origin(identity=identity_of(scenario)),
    )
    return explore_target(target, settings, progress)


def map_of(part: Part, strategy: Strategy) -> FlashMap:
    """Of *part*, with slots and trailers as *strategy* lays them out."""
    return FlashMap.of(part, regions(part, strategy))


def identity_of(scenario: Scenario) -> str:
    """Of the search, whatever the image."""
    world = scenario.world
    words = (world[key] for key in ("part", "strategy", "scenario", "format"))
    return "/".join([*words, *(["c"] if scenario.core is Core.C else [])])


def film(subject: BoardSubject, path: Path, options: SearchOptions | None = None) -> Film:
    """Run *path* again; *options* are those of the search that found it.

    Raises PathLeft where it does not fit the scenario.
    """
    return replay_path(subject, subject.flash, subject.external, path, options)


def shrink(subject: BoardSubject, path: Path, options: SearchOptions | None = None) -> Path:
    """The same finding with as few cuts as can be left of *path*."""
    return shrink_path(subject, subject.flash, subject.external, path, options)


# --- what a report says of a scenario


def expectation(scenario: Scenario, report: Report) -> Expectation:
    """A known hazard excuses what it explains, and nothing else. It must be found where an upgrade
    that nobody interrupts changes option bytes; one that is refused does not."""
    if hazard(load_part(scenario.part), scenario.strategy).harmless:
        return Expectation.PASS
    if report.violations:
        explained = all(found.text.startswith(OPTIONS_LOST) for found in report.violations)
        return Expectation.HAZARD if explained else Expectation.PASS
    return Expectation.HAZARD if _changes_options(scenario) else Expectation.PASS


def _changes_options(scenario: Scenario) -> bool:
    board = scenario.board()
    trace = board.device.trace = Trace()
    for _ in board.run(scenario.policy, trial=scenario.trial):
        """On to rest."""
    return any(operation.kind == "options" for operation in trace)


def facts_of(scenario: Scenario, part: Part) -> dict[str, str]:
    risk = hazard(part, scenario.strategy)
    return {
        **scenario.world,
        "size of the image": f"{_size(scenario)} bytes",
        "SHA-256 of the package": sha256(scenario.packages[scenario.target]).hexdigest(),
        "program unit": f"{part.program_unit} bytes{'' if part.ecc else ', no ECC'}",
        "ways in which power comes back": ", ".join(way.value or "soon" for way in scenario.ways),
        "trial": scenario.trial.value,
        "must run in the end": scenario.final,
        "risk of the strategy": f"{'none' if risk.harmless else 'yes'}: {risk.why}",
        "hazard window": risk.window,
    }


def _size(scenario: Scenario) -> int:
    """Of the target as it stands in flash; of one that must never stand there, of its package."""
    target = scenario.target
    return len(scenario.images.get(target, scenario.packages[target]))

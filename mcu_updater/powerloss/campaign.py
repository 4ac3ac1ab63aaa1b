"""Explores scenarios one after the other, and puts together what a report shows of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path as File

from flash_emulator import Part, Trace, load_part
from flash_emulator.explore import Film, Options, Path, Progress, Report, Search, SelfCheckFailed
from flash_emulator.explore import replay as replay_path
from flash_emulator.explore import shrink as shrink_path
from flash_emulator.explore.campaign import Array, Expectation, Result
from flash_emulator.explore.certificate import CertificateWriter
from mcu_updater.board.layout import layout_of
from mcu_updater.board.strategies import hazard
from mcu_updater.powerloss.scenario import Scenario
from mcu_updater.powerloss.subject import OPTIONS_LOST, BoardSubject
from mcu_updater.slot import CopyLayout, Layout
from mcu_updater.storage import new_file
from mcu_updater.strategy import Strategy

FILMS = 3  # counterexamples of one search that are filmed


@dataclass(frozen=True, slots=True)
class Terms:
    """How to explore. *certificates*: a folder for them; None: none are written."""

    options: Options = field(default_factory=Options)
    executor: Executor | None = None
    certificates: File | None = None


def explore(
    scenario: Scenario, terms: Terms, progress: Callable[[Progress], None] | None = None
) -> Result:
    """Explore one scenario. A search that cannot be believed is a result too."""
    subject = BoardSubject(scenario)
    if not hazard(subject.part, scenario.strategy).harmless:  # it is found again and again
        limits = replace(terms.options.limits, violations=None)
        terms = replace(terms, options=replace(terms.options, limits=limits))
    array = Array.of(subject.part, regions(subject.part, scenario.strategy))
    facts = facts_of(scenario, subject.part)
    try:
        report, head = _search(subject, terms, progress)
    except SelfCheckFailed as error:
        return Result(scenario.id, None, array, facts, error=str(error))
    films = tuple(film(subject, found.path) for found in report.violations[:FILMS])
    expected = expectation(scenario, report)
    return Result(scenario.id, report, array, facts, films, expected, certificate=head)


def _search(
    subject: BoardSubject, terms: Terms, progress: Callable[[Progress], None] | None
) -> tuple[Report, str]:
    """The report, and the head of the certificate where one is written."""

    def search(writer: CertificateWriter | None) -> Report:
        return Search(
            subject,
            subject.flash,
            subject.rest,
            terms.options,
            executor=terms.executor,
            progress=progress,
            observer=writer,
            began=None if writer is None else writer.begin,
        ).run()

    if terms.certificates is None:
        return search(None), ""
    with new_file(certificate_file(terms.certificates, subject.scenario)) as file:
        writer = CertificateWriter(file, subject.scenario.world)
        report = search(writer)
        return report, writer.finish(report)


def certificate_file(folder: File, scenario: Scenario) -> File:
    return folder / f"{scenario.id.replace('/', '_')}.certificate.gz"


def film(subject: BoardSubject, path: Path) -> Film:
    """Run *path* again. Raises PathLeft where it does not fit the scenario."""
    return replay_path(subject, subject.flash, subject.rest, path)


def shrink(subject: BoardSubject, path: Path) -> Path:
    """The same finding with as few cuts as can be left of *path*."""
    return shrink_path(subject, subject.flash, subject.rest, path)


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


def regions(part: Part, strategy: Strategy) -> dict[str, tuple[int, int]]:
    """Slots and halves of trailers, by what they are called: offset in the array, and size."""
    layout = layout_of(part, strategy)
    if isinstance(layout, CopyLayout):
        first, second = layout.storage
        named = [("run", layout.execution, 0), ("A", first, 0), ("B", second, 0)]
    else:
        named = [("A", layout, 0), ("B", layout, part.bank_size)]
    return {key: span for area in named for key, span in _areas(*area)}


def _areas(name: str, area: Layout, offset: int) -> list[tuple[str, tuple[int, int]]]:
    first, second = area.halves
    return [
        (f"{name} slot", (offset + area.slot.offset, area.slot.size)),
        (f"{name} trailer 0", (offset + first.offset, first.size)),
        (f"{name} trailer 1", (offset + second.offset, second.size)),
    ]

"""Explores scenarios one after the other, and puts together what a report shows of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path as File

from flash_emulator import Part, Trace, load_part
from flash_emulator.explore import (
    Film,
    Path,
    Progress,
    Report,
    Search,
    SearchOptions,
    SelfCheckFailed,
)
from flash_emulator.explore import replay as replay_path
from flash_emulator.explore import shrink as shrink_path
from flash_emulator.explore.campaign import Array, Expectation, Result
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.explore.states import Expansion, Job
from mcu_updater.core.errors import PortError, UpdaterError
from mcu_updater.core.slot import CopyLayout, Layout
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import hazard
from mcu_updater.powerloss.questions import OPTIONS_LOST
from mcu_updater.powerloss.scenario import Scenario
from mcu_updater.powerloss.subject import BoardSubject
from mcu_updater.storage import new_file

FILMS = 3  # counterexamples of one search that are filmed


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How to explore. *certificates*: a folder for them; None: none are written.

    *failed* is told when one cannot be written: the search goes on without it. *interrupted* is
    told what ended a search from outside; what is known so far is a result all the same.
    """

    options: SearchOptions = field(default_factory=SearchOptions)
    executor: Executor | None = None
    certificates: File | None = None
    failed: Callable[[UpdaterError], object] = str
    interrupted: Callable[[KeyboardInterrupt], object] = str


def explore(
    scenario: Scenario, settings: SearchSettings, progress: Callable[[Progress], None] | None = None
) -> Result:
    """Explore one scenario. A search that cannot be believed is a result too."""
    began_s = time.monotonic()
    subject = BoardSubject(scenario)
    if not hazard(subject.part, scenario.strategy).harmless:  # it is found again and again
        limits = replace(settings.options.limits, violations=None)
        settings = replace(settings, options=replace(settings.options, limits=limits))
    array = Array.of(subject.part, regions(subject.part, scenario.strategy))
    facts = facts_of(scenario, subject.part)
    limit_s = settings.options.limits.time_s
    until_s = None if limit_s is None else began_s + limit_s
    try:
        report, head = _search(subject, _with_time(settings, until_s), progress)
    except SelfCheckFailed as error:
        return Result(scenario.id, None, array, facts, error=str(error))
    films = tuple(_films(subject, report, settings.options, until_s))
    expected = expectation(scenario, report)
    return Result(scenario.id, report, array, facts, films, expected, certificate=head)


def _with_time(settings: SearchSettings, until_s: float | None) -> SearchSettings:
    """The limit of time holds for all that it takes to come to a result."""
    if until_s is None:
        return settings
    limits = replace(settings.options.limits, time_s=max(0.0, until_s - time.monotonic()))
    return replace(settings, options=replace(settings.options, limits=limits))


def _films(
    subject: BoardSubject, report: Report, options: SearchOptions, until_s: float | None
) -> Iterator[Film]:
    """Of the first counterexamples; the first one in any case."""
    for index, found in enumerate(report.violations[:FILMS]):
        if index and until_s is not None and time.monotonic() > until_s:
            return
        yield film(subject, found.path, options)


def _search(
    subject: BoardSubject, settings: SearchSettings, progress: Callable[[Progress], None] | None
) -> tuple[Report, str]:
    """The report, and the head of the certificate where one is written."""

    def search(writing: _Writing | None) -> Report:
        search = Search(
            subject,
            subject.flash,
            subject.external,
            settings.options,
            executor=settings.executor,
            progress=progress,
            observer=writing,
            began=None if writing is None else writing.begin,
        )
        report = search.run()
        if search.interrupt is not None:
            settings.interrupted(search.interrupt)
        return report

    if settings.certificates is None:
        return search(None), ""
    report: Report | None = None
    try:
        with new_file(certificate_file(settings.certificates, subject.scenario)) as file:
            writing = _Writing(CertificateWriter(file, subject.scenario.world))
            report = search(writing)
            return report, writing.finish(report)
    except PortError as error:
        settings.failed(error)
        return report or search(None), ""


class _Writing:
    """Of a certificate. A search may take hours: what cannot be written does not end it."""

    def __init__(self, writer: CertificateWriter) -> None:
        self._writer = writer
        self._error: OSError | None = None

    def begin(self, job: Job) -> None:
        self._do(lambda: self._writer.begin(job))

    def __call__(self, expansion: Expansion) -> None:
        self._do(lambda: self._writer(expansion))

    def finish(self, report: Report) -> str:
        """The head. Raises the first error that there was."""
        if self._error is not None:
            raise self._error
        return self._writer.finish(report)

    def _do(self, write: Callable[[], object]) -> None:
        if self._error is None:
            try:
                write()
            except OSError as error:
                self._error = error


def certificate_file(folder: File, scenario: Scenario) -> File:
    return folder / f"{scenario.id.replace('/', '_')}.certificate.gz"


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

"""One search with all that comes of it: report, certificate, films of counterexamples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Protocol

from flash_emulator import EmulatedFlash
from flash_emulator.explore import (
    Counterexample,
    ExternalState,
    Film,
    Progress,
    Report,
    Search,
    SearchOptions,
    SelfCheckFailed,
    Subject,
)
from flash_emulator.explore import replay as replay_path
from flash_emulator.explore.campaign import Expectation, Origin, Result
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.explore.states import Expansion, Job
from flash_emulator.player import FlashMap
from mcu_updater.core.errors import PortError, UpdaterError
from mcu_updater.powerloss.quick import search_quickly
from mcu_updater.storage import new_file

FILMS = 3  # counterexamples of one search that are filmed, the shortest
KINDS = 10  # and the shortest of each further kind, up to so many in all


class Observer(Protocol):
    """Told of a search that begins, and of each boot of it; what it was told before is void when
    one begins anew."""

    def begin(self, job: Job) -> None: ...

    def __call__(self, expansion: Expansion) -> None: ...


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How to explore. *certificates*: a folder for them; None: none are written. *budget_s*: cut
    once only, and for so long; None: as *options* say. *observer*: who is told of each boot, beside
    the certificate.

    *failed* is told when one cannot be written: the search goes on without it. *interrupted* is
    told what ended a search from outside; what is known so far is a result all the same.
    """

    options: SearchOptions = field(default_factory=SearchOptions)
    executor: Executor | None = None
    certificates: File | None = None
    failed: Callable[[UpdaterError], object] = str
    interrupted: Callable[[KeyboardInterrupt], object] = str
    budget_s: float | None = None
    observer: Observer | None = None


def always_to_pass(_: Report) -> Expectation:
    """Nothing is known that excuses a finding."""
    return Expectation.PASS


@dataclass(frozen=True, slots=True)
class Target:
    """What is searched, and how a report tells of it. *world*: what a certificate says of it.

    *filmed*: what is replayed for films, where that shows more than *subject* would.
    """

    name: str
    subject: Subject
    flash: EmulatedFlash
    external: ExternalState
    array: FlashMap
    facts: Mapping[str, str]
    world: Mapping[str, str]
    expectation: Callable[[Report], Expectation] = always_to_pass
    filmed: Subject | None = None
    origin: Origin = Origin()  # noqa: RUF009  it is frozen


def explore_target(
    target: Target, settings: SearchSettings, progress: Callable[[Progress], None] | None = None
) -> Result:
    """Explore it. A search that cannot be believed is a result too."""
    began_s = time.monotonic()
    limit_s = settings.options.limits.time_s if settings.budget_s is None else settings.budget_s
    until_s = None if limit_s is None else began_s + limit_s
    try:
        report, head = _searched(target, settings, until_s, progress)
    except SelfCheckFailed as error:
        return Result(
            target.name, None, target.array, target.facts, error=str(error), origin=target.origin
        )
    films = tuple(_films(target, report, settings.options, until_s))
    expected = target.expectation(report)
    left_out = {} if settings.budget_s is None else {"left out": "; ".join(report.left_out)}
    return Result(
        target.name,
        report,
        target.array,
        {**target.facts, **left_out},
        films,
        expected,
        certificate=head,
        origin=target.origin,
    )


def _searched(
    target: Target,
    settings: SearchSettings,
    until_s: float | None,
    progress: Callable[[Progress], None] | None,
) -> tuple[Report, str]:
    if settings.budget_s is None:
        return _search(target, _with_time(settings, until_s), progress)

    def search(options: SearchOptions) -> Report:
        return _search(target, replace(settings, options=options), progress)[0]

    def fails(report: Report) -> bool:
        found = bool(report.violation_count)
        return found and target.expectation(report) is Expectation.PASS

    return search_quickly(search, settings.options, settings.budget_s, fails), ""


def _with_time(settings: SearchSettings, until_s: float | None) -> SearchSettings:
    """The limit of time holds for all that it takes to come to a result."""
    if until_s is None:
        return settings
    limits = replace(settings.options.limits, time_s=max(0.0, until_s - time.monotonic()))
    return replace(settings, options=replace(settings.options, limits=limits))


def _films(
    target: Target, report: Report, options: SearchOptions, until_s: float | None
) -> Iterator[Film]:
    """Of the first counterexamples; the first one in any case."""
    subject = target.subject if target.filmed is None else target.filmed
    for index, found in enumerate(_filmed(report)):
        if index and until_s is not None and time.monotonic() > until_s:
            return
        yield replay_path(subject, target.flash, target.external, found.path, options)


def _filmed(report: Report) -> Iterator[Counterexample]:
    first, kinds = report.violations[:FILMS], set[tuple[str, str]]()
    for number, found in enumerate(report.violations):
        if number < len(first) or (found.kind not in kinds and len(kinds) < KINDS):
            yield found
        kinds.add(found.kind)


def _search(
    target: Target, settings: SearchSettings, progress: Callable[[Progress], None] | None
) -> tuple[Report, str]:
    """The report, and the head of the certificate where one is written."""

    def search(writing: _Writing | None) -> Report:
        told = _together(writing, settings.observer)
        search = Search(
            target.subject,
            target.flash,
            target.external,
            settings.options,
            executor=settings.executor,
            progress=progress,
            observer=told,
            began=None if told is None else told.begin,
        )
        report = search.run()
        if search.interrupt is not None:
            settings.interrupted(search.interrupt)
        return report

    if settings.certificates is None:
        return search(None), ""
    report: Report | None = None
    try:
        with new_file(certificate_file(settings.certificates, target.name)) as file:
            writing = _Writing(CertificateWriter(file, dict(target.world)))
            report = search(writing)
            return report, writing.finish(report)
    except PortError as error:
        settings.failed(error)
        return report or search(None), ""


def _together(*observers: Observer | None) -> Observer | None:
    """One that tells all of them; None where there is none."""
    present = tuple(each for each in observers if each is not None)
    return _Several(present) if len(present) > 1 else next(iter(present), None)


@dataclass(frozen=True, slots=True)
class _Several:
    observers: tuple[Observer, ...]

    def begin(self, job: Job) -> None:
        for each in self.observers:
            each.begin(job)

    def __call__(self, expansion: Expansion) -> None:
        for each in self.observers:
            each(expansion)


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


def certificate_file(folder: File, name: str) -> File:
    """Of the search called *name*."""
    return folder / f"{name.replace('/', '_')}.certificate.gz"

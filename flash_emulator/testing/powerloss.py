"""One search as a test: it passes when every state that cuts can reach was booted and is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from hashlib import sha256
from shlex import quote
from typing import TYPE_CHECKING, Any

import pytest

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.explore import (
    Counterexample,
    ExternalState,
    Film,
    Nothing,
    Path,
    PathLeft,
    Report,
    Search,
    SearchOptions,
    SelfCheckFailed,
    Subject,
    replay,
    tag_of,
)
from flash_emulator.explore.campaign import Result
from flash_emulator.explore.certificate import CertificateWriter
from flash_emulator.player import FlashMap
from flash_emulator.subject import subject_of
from flash_emulator.testing.film import cuts_in_words, drawn
from flash_emulator.testing.reports import Reports

if TYPE_CHECKING:
    from flash_emulator.machine.driven import FirmwareDevice

Boots = Callable[[EmulatedFlash], Any] | Subject

STOPPED = {
    "cuts": "by the limit of cuts in a row",
    "states": "by the limit of states",
    "time": "by the limit of time",
    "violations": "at what it found",
    "interrupted": "by the keyboard",
}


class PowerLossTest:
    """The fixture ``powerloss``. It searches once in a test, so that a replay ID names one thing.

    *replay_id* turns the search into one replay; *reports* are written of a search. *tell* takes
    the line for the terminal summary, *show* the film.
    """

    def __init__(
        self,
        nodeid: str,
        replay_id: str | None,
        reports: Reports,
        *,
        tell: Callable[[str], None],
        show: Callable[[str], None],
    ) -> None:
        self.called = False
        self._nodeid = nodeid
        self._path = Path.parse(replay_id) if replay_id else None
        self._reports = reports
        self._tell = tell
        self._show = show

    def __call__(
        self,
        flash: EmulatedFlash | FirmwareDevice,
        boot: Boots | None = None,
        verdict: Callable[[EmulatedFlash], object] | None = None,
        *,
        external: ExternalState | None = None,
        cuts: int | None = None,
        states: int | None = 200_000,
        time_s: float | None = None,
        violations: int | None = 1,
        options: SearchOptions | None = None,
        allow_incomplete: bool = False,
        executor: Executor | None = None,
    ) -> Report:
        """Boot *flash* under every cut, any number of times; fail the test at what goes wrong.

        A device of the fixture ``firmware`` boots and judges by itself, as its board says.

        *boot* and *verdict* as for ``flash_emulator.explore.explore``; or *boot* is a Subject
        and *external* what survives a cut beside its flash. *flash* itself is not changed.

        Limits: *cuts* in a row, *states*, *time_s* in seconds, *violations* found; None is no
        limit. A search that a limit has stopped fails the test unless *allow_incomplete*.
        *options* says the rest. A boot in which nothing new happens for ``options.limits.boot_s``
        is a violation of "live".
        """
        if self.called:
            pytest.fail("powerloss: one search a test, so that a replay ID names one; parametrize")
        self.called = True
        flash, subject, filmed = _what(flash, boot, verdict)
        external = external if external is not None else Nothing()
        options = options or SearchOptions()
        limits = replace(
            options.limits, cuts=cuts, states=states, time_s=time_s, violations=violations
        )
        options = replace(options, limits=limits)
        if self._path is not None:
            self._replay(filmed, flash, external, self._path, options)
        result = Result(self._nodeid, None, FlashMap.of(flash.part), _facts(flash, options))
        report, head = self._search(subject, flash, external, options, executor, result)
        result = replace(result, report=report, certificate=head)
        first = report.violations[0] if report.violation_count else None
        film = _filmed(filmed, flash, external, first.path, options) if first is not None else ""
        films = (film,) if isinstance(film, Film) else ()
        self._reports.keep(replace(result, films=films))
        if report.stopped_by == "interrupted":
            raise KeyboardInterrupt
        if first is not None:
            pytest.fail("\n".join(self._finding(report, first, film)), pytrace=False)
        _judge_completeness(report, allow_incomplete=allow_incomplete)
        return report

    # --- the search

    def _search(
        self,
        subject: Subject,
        flash: EmulatedFlash,
        external: ExternalState,
        options: SearchOptions,
        executor: Executor | None,
        result: Result,
    ) -> tuple[Report, str]:
        """The report, and the head of the certificate where one is written."""
        try:
            with self._reports.certificate(self._nodeid) as file:
                if file is None:
                    report = Search(subject, flash, external, options, executor=executor).run()
                    head = ""
                else:
                    writer = CertificateWriter(file, {"test": self._nodeid})
                    report = Search(
                        subject,
                        flash,
                        external,
                        options,
                        executor=executor,
                        observer=writer,
                        began=writer.begin,
                    ).run()
                    head = writer.finish(report)
        except SelfCheckFailed as error:
            self._tell(f"NOT BELIEVED: {error}")
            self._reports.keep(replace(result, error=str(error)))
            pytest.fail(f"power loss: the search cannot be believed: {error}", pytrace=False)
        self._tell(in_one_line(report))
        return report, head

    def _finding(self, report: Report, first: Counterexample, film: Film | str) -> Iterator[str]:
        yield f"power loss: {first.tag}: {first.text}"
        yield ""
        if first.trace:
            yield from (f"  {line}" for line in first.trace.splitlines())
            yield ""
        if isinstance(film, Film):
            yield from (f"  {line}" for line in cuts_in_words(film))
        else:
            yield f"  {first.path} does not replay: {film}"
        yield ""
        yield f"replay: {self._command(first.path)}"
        others = dict.fromkeys((v.tag, v.text) for v in report.violations)
        others.pop((first.tag, first.text))
        for tag, text in list(others)[:5]:
            yield f"also:   {tag}: {text}"
        yield f"search: {in_one_line(report)}"

    def _command(self, path: Path) -> str:
        return f"pytest {quote(self._nodeid)} --powerloss-replay {quote(str(path))}"

    # --- the replay

    def _replay(
        self,
        subject: Subject,
        flash: EmulatedFlash,
        external: ExternalState,
        path: Path,
        options: SearchOptions,
    ) -> None:
        """Never returns: one path is no search, and must not look like a pass."""
        film = _filmed(subject, flash, external, path, options)
        if isinstance(film, str):
            self._tell(f"replay of {path}: does not fit any more")
            pytest.fail(f"power loss: replay of {path}: {film}", pytrace=False)
        self._show("\n".join(drawn(film)))
        if film.violation is None:
            self._tell(f"replay of {path}: nothing goes wrong; not a search")
            pytest.skip(f"replay of {path}: nothing goes wrong ({film.end}); not a search")
        question, text = film.violation
        found = f"{tag_of(question)}: {text}"
        self._tell(f"replay of {path}: {found}")
        trace = f"\n\n{film.trace}" if film.trace else ""
        pytest.fail(f"power loss: {found}{trace}\n\nreplay of {path}", pytrace=False)


def _what(
    flash: EmulatedFlash | FirmwareDevice,
    boot: Boots | None,
    verdict: Callable[[EmulatedFlash], object] | None,
) -> tuple[EmulatedFlash, Subject, Subject]:
    """Flash, what boots on it, and what is filmed: with compiled code the latter shows more."""
    if isinstance(flash, EmulatedFlash):
        if boot is None:
            raise TypeError("powerloss: a flash does not boot by itself: give a boot function")
        subject = subject_of(boot, verdict)
        return flash, subject, subject
    if boot is not None or verdict is not None:
        raise TypeError("powerloss: a device of firmware boots and judges by itself")
    return flash.flash.fork(), flash.subject, flash.subject.unit_by_unit


def _judge_completeness(report: Report, *, allow_incomplete: bool) -> None:
    if not report.complete and not allow_incomplete:
        pytest.fail(
            f"power loss: the search is not complete: stopped {STOPPED[report.stopped_by]}.\n"
            f"Nothing was found, but not all was looked at: {numbers(report)}.\n"
            "Give it more, make the subject smaller, or say allow_incomplete=True.",
            pytrace=False,
        )


def _facts(flash: EmulatedFlash, options: SearchOptions) -> dict[str, str]:
    """What a report says of a search."""
    limits = options.limits
    given = {"cuts": limits.cuts, "states": limits.states, "seconds": limits.time_s}
    return {
        "part": flash.part.name,
        "seed": str(flash.seed),
        "SHA-256 of the flash before": _sha256(flash),
        "limits": ", ".join(
            f"{name} {value}" for name, value in given.items() if value is not None
        ),
    }


def _sha256(flash: EmulatedFlash) -> str:
    try:
        return sha256(flash.fork().read(flash.part.base, flash.part.size)).hexdigest()
    except OSError as error:  # such as a unit that was spoilt on purpose
        return f"none: {error}"


def _filmed(
    subject: Subject,
    flash: EmulatedFlash,
    external: ExternalState,
    path: Path,
    options: SearchOptions,
) -> Film | str:
    """The film of *path*; or why it does not fit."""
    try:
        return replay(subject, flash, external, path, options)
    except PathLeft as left:
        return str(left)


# --- in words


def in_one_line(report: Report) -> str:
    """The outcome and the numbers of a search, for a summary."""
    return f"{outcome(report)}; {numbers(report)}"


def outcome(report: Report) -> str:
    """What became of the search: an incomplete one that found nothing says so loudly."""
    count = report.violation_count
    stopped = "complete" if report.complete else f"stopped {STOPPED[report.stopped_by]}"
    if count:
        return f"{count} violation{'s' if count > 1 else ''}, {stopped}"
    return stopped if report.complete else f"NOT COMPLETE, {stopped}"


def numbers(report: Report) -> str:
    levels = " ".join(map(str, report.levels))
    return (
        f"{report.states:,} states, {report.boots:,} boots, {report.cuts:,} cuts, "
        f"states by cuts in a row {levels}, {report.elapsed_s:.1f} s"
    )

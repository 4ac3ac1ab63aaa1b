"""How ``powerloss`` ends: with what was found, what ended it, what could not be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flash_emulator.explore.campaign import Campaign, Result, Verdict
from mcu_updater.cli import exits
from mcu_updater.core.errors import UpdaterError, UsageError, VerificationFailed


@dataclass(slots=True)
class Ran:
    """What came of all scenarios, and what went wrong beside them."""

    results: list[Result] = field(default_factory=list)
    unwritten: list[UpdaterError] = field(default_factory=list)  # reports and certificates
    interrupt: KeyboardInterrupt | None = None

    def interrupted(self, interrupt: KeyboardInterrupt) -> None:
        self.interrupt = interrupt


def sooner_by(what: str) -> str:
    """What to do about a search that did not come to its end; *what*: makes one shorter."""
    return f"Give a higher limit, or none; {what} come to an end sooner"


def conclude(done: Campaign, ran: Ran, advice: str, *, accept_incomplete: bool = False) -> None:
    """The exit code: what was found counts first, then what ended it, what could not be written,
    and what was not looked at. All but the last one told is told before. *advice*: on an
    incomplete search, which is no error with *accept_incomplete*."""
    wrong = [result for result in done.results if done.fails(result)]
    found = [result for result in wrong if _is_finding(done, result)]
    ends: list[BaseException] = []
    if found:
        ends.append(_not_passed(done, found))
    if ran.interrupt is not None:
        ends.append(ran.interrupt)
    ends += ran.unwritten
    if wrong and not ends and not accept_incomplete:
        ends.append(_incomplete(wrong[0], advice))
    for error in ends[1:]:
        exits.complain(error.message if isinstance(error, UpdaterError) else str(error))
    if ends:
        raise ends[0]


def _is_finding(done: Campaign, result: Result) -> bool:
    """Also a known hazard of a search that came to no end, where it is a failure."""
    if result.verdict is not Verdict.INCOMPLETE:
        return True
    return done.strict and result.report is not None and result.report.violation_count > 0


def _not_passed(done: Campaign, found: Sequence[Result]) -> UpdaterError:
    first = found[0]
    then = "Run it again with --replay ID to see what happens"
    if first.tone == "warn":
        then += ". Without --strict a known hazard is counted, and is no failure"
    return VerificationFailed(
        f"{len(found)} of {len(done.results)} scenarios did not pass",
        where=first.name,
        found=first.error or str(_told(first)),
        then=then,
    )


def _told(result: Result) -> Verdict:
    incomplete = result.verdict is Verdict.INCOMPLETE
    return Verdict.HAZARD_FOUND if incomplete else result.verdict


def _incomplete(result: Result, advice: str) -> UpdaterError:
    report = result.report
    return UsageError(
        "not everything was explored, so nothing is proved",
        where=result.name,
        found=f"stopped by {report.stopped_by}: {report.bound}" if report else "",
        then=advice,
    )

"""Results of several searches together: what the renderers take."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flash_emulator.explore.path import Path
from flash_emulator.explore.replay import Film
from flash_emulator.explore.report import Report
from flash_emulator.player import FlashMap
from flash_emulator.power import DECAYS


class Expectation(StrEnum):
    """What must come of a search."""

    PASS = "must pass"  # noqa: S105
    HAZARD = "expected to brick: hazard known"


class Verdict(StrEnum):
    """What came of it."""

    PASSED = "passed"
    FAILED = "failed"
    INCOMPLETE = "incomplete"  # stopped, and nothing was found so far but known hazards
    HAZARD_FOUND = "known hazard"  # found, and nothing else: no pass, and no surprise
    HAZARD_MISSED = "known hazard not found"
    BROKEN = "not to be believed"  # a self-check failed


@dataclass(frozen=True, slots=True)
class Origin:
    """What was searched, for reports that stand beside its files.

    *file*: the one that a finding is laid at where no source line is known, such as a board file
    or an image, with the *line* that asks for the search; *folders*: where sources may begin;
    *identity*: a name of the search that the next build has, too; *command*: what replays an ID
    of it, where that is another one than the campaign's; *excuse*: why a hazard is known.
    """

    file: str = ""
    line: int = 1
    folders: tuple[str, ...] = ()
    identity: str = ""
    command: str = ""
    excuse: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One search. *facts*: part, strategy, seed, options ... as text; *films* of counterexamples.

    *report* is None where the search could not be believed; *error* then says why.
    """

    name: str
    report: Report | None
    array: FlashMap
    facts: Mapping[str, str] = field(default_factory=dict)
    films: tuple[Film, ...] = ()
    expectation: Expectation = Expectation.PASS
    error: str = ""
    certificate: str = ""  # its head, where one was written
    origin: Origin = Origin()

    @property
    def verdict(self) -> Verdict:
        report, hazard = self.report, self.expectation is Expectation.HAZARD
        if report is None:
            return Verdict.BROKEN
        if report.violation_count and not hazard:
            return Verdict.FAILED
        if not report.complete:  # also where the hazard was found: there may be more than that
            return Verdict.INCOMPLETE
        if not hazard:
            return Verdict.PASSED
        return Verdict.HAZARD_FOUND if report.violation_count else Verdict.HAZARD_MISSED

    @property
    def words(self) -> str:
        """The verdict, what it was tried with and what it rests on beside the model."""
        words = [str(self.verdict)]
        if self.report:
            words.append(f"tried: {self.report.tried}")
        if self.report and self.report.decays:
            words.append(
                f"at each cut also: {', '.join(DECAYS[each] for each in self.report.decays)}"
            )
        if self.report and self.report.rests_on:
            words.append(f"rests on: {', '.join(self.report.rests_on)}")
        return "; ".join(words)

    @property
    def as_expected(self) -> bool:
        return self.verdict in (Verdict.PASSED, Verdict.HAZARD_FOUND)

    @property
    def tone(self) -> str:
        """``good``, ``warn`` for a known hazard, ``bad``."""
        if self.verdict is Verdict.HAZARD_FOUND:
            return "warn"
        return "good" if self.verdict is Verdict.PASSED else "bad"

    def replay_id(self, path: Path) -> str:
        """Names this path of this search: ``L476xG/remap/good/bin:600t.13w``."""
        return f"{self.name}:{path}"

    def film(self, path: Path) -> Film | None:
        """The film of *path*, where there is one."""
        return next((film for film in self.films if film.path == path), None)


@dataclass(frozen=True, slots=True)
class Campaign:
    """All results. *created*: when, in ISO 8601; empty where it must not matter.

    *command*: what replays an ID that is put behind it. *tool*: name and version of what searched;
    *command_line*: how it was called. *strict*: a known hazard is a failure.
    """

    title: str
    results: tuple[Result, ...]
    created: str = ""
    command: str = ""
    tool: str = ""
    command_line: str = ""
    strict: bool = False

    @property
    def as_expected(self) -> bool:
        return not any(map(self.fails, self.results))

    def fails(self, result: Result) -> bool:
        """Whether somebody must look at *result*."""
        return result.tone == "bad" or (self.strict and result.tone == "warn")

    def replay_command(self, result: Result, path: Path) -> str:
        """A command line; empty where nobody says how."""
        command = result.origin.command or self.command
        return f"{command} {shlex.quote(result.replay_id(path))}" if command else ""

    @property
    def counts(self) -> dict[str, int]:
        """Results by what became of them."""
        tones = Counter(result.tone for result in self.results)
        stopped = sum(result.verdict is Verdict.INCOMPLETE for result in self.results)
        return {
            "passed": tones["good"],
            "known hazards": tones["warn"],
            "incomplete": stopped,
            "failed": tones["bad"] - stopped,
        }

    def __str__(self) -> str:
        """In one line: ``3 scenarios: 2 passed, 1 known hazard``."""
        total, words = len(self.results), []
        for name, count in self.counts.items():
            if count:
                words.append(f"{count} {name[:-1] if name.endswith('s') and count == 1 else name}")
        plural = "" if total == 1 else "s"
        return f"{total} scenario{plural}: {', '.join(words) or 'none came to an end'}"

    @property
    def elapsed_s(self) -> float:
        return sum(result.report.elapsed_s for result in self.results if result.report)


def parse_replay_id(text: str) -> tuple[str, Path]:
    """Name of the search, and path. Raises ValueError."""
    name, colon, path = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text!r} is no replay ID: expected such as NAME:600t.13w")
    return name, Path.parse(path)

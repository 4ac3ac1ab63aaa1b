"""What a campaign has to say to reviewers: one annotation for each thing that somebody should see.

Findings of one search that violate the same question with the same words, their numbers aside, by
a cut in the same function are one annotation: it shows the shortest, and counts them. Its
fingerprint does not depend on numbers of lines, addresses or operations, so the next run, and the
next build, of the same program give the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Literal

from flash_emulator.explore.campaign import Campaign, Expectation, Result, Verdict
from flash_emulator.explore.render.film import operation_kind
from flash_emulator.explore.render.places import Place, SourceTree, cuts_of, end_of
from flash_emulator.explore.render.rules import BROKEN, HAZARD_MISSED, INCOMPLETE, Rule, rule_of
from flash_emulator.explore.render.values import findings
from flash_emulator.explore.replay import Film, Frame
from flash_emulator.explore.report import Counterexample
from flash_emulator.printable import printable

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One of them. *text*: in some sentences; *found*: the shortest counterexample, *count*: how
    many there are like it; *excuse*: why it is no failure, where it is a known hazard."""

    rule: Rule
    level: Level
    title: str
    text: str
    place: Place
    fingerprint: str
    result: Result
    found: Counterexample | None = None
    count: int = 1
    excuse: str = ""

    @property
    def film(self) -> Film | None:
        return None if self.found is None else self.result.film(self.found.path)


@dataclass(slots=True)
class _Group:
    first: Counterexample
    place: Place
    count: int = 1


@dataclass(frozen=True, slots=True)
class Annotations:
    """Makes them. *questions*: what a subject's own questions mean."""

    campaign: Campaign
    tree: SourceTree
    questions: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Annotation]:
        for result in self.campaign.results:
            yield from self._of(result)

    def _of(self, result: Result) -> Iterator[Annotation]:
        for group in self._groups(result):
            yield self._finding(result, group)
        match result.verdict:
            case Verdict.INCOMPLETE if result.report is not None:
                text = f"stopped by {result.report.stopped_by}: {result.report.bound}"
                yield self._of_search(result, INCOMPLETE, "warning", text)
            case Verdict.HAZARD_MISSED:
                yield self._of_search(result, HAZARD_MISSED, "error", HAZARD_MISSED.text)
            case Verdict.BROKEN:
                yield self._of_search(result, BROKEN, "error", result.error)

    def _of_search(self, result: Result, rule: Rule, level: Level, text: str) -> Annotation:
        place = self.tree.of_result(result)
        title = printable(f"power loss, {rule.id}: {result.name}")
        mark = self._fingerprint(result, rule.id, "", "")
        return Annotation(rule, level, title, printable(text), place, mark, result)

    def _finding(self, result: Result, group: _Group) -> Annotation:
        found, rule = group.first, rule_of(group.first.question, self.questions)
        known = result.expectation is Expectation.HAZARD
        excuse = _excuse(result) if known and not self.campaign.strict else ""
        level: Level = "note" if excuse else "error"
        return Annotation(
            rule,
            level,
            printable(f"power loss, {found.tag}: {result.origin.identity or result.name}"),
            " ".join(self._sentences(result, group)),
            group.place,
            self._fingerprint(result, *found.kind, group.place.function),
            result,
            found,
            group.count,
            excuse,
        )

    def _sentences(self, result: Result, group: _Group) -> Iterator[str]:
        found, film = group.first, result.film(group.first.path)
        yield f"{printable(found.text)}."
        if not found.path.cuts:
            yield "No cut is needed: it ends so by itself."
        elif film is not None:
            yield from self._cuts(film)
        if group.count > 1:
            yield f"{group.count - 1:,} more like it."
        command = self.campaign.replay_command(result, found.path)
        if command:
            yield f"See it step by step: {command}"

    @staticmethod
    def _cuts(film: Film) -> Iterator[str]:
        frames = list(cuts_of(film))
        for number, frame in enumerate(frames, 1):
            which = f"Cut {number} of {len(frames)}" if len(frames) > 1 else "The cut"
            yield f"{which}: {printable(frame.text).removeprefix('CUT: ')}{_running(frame)}."

    def _groups(self, result: Result) -> list[_Group]:
        groups: dict[tuple[str, str, str], _Group] = {}
        for found in findings(result):
            film = result.film(found.path)
            if film is None and (known := _like(groups, found.kind)) is not None:
                known.count += 1  # nobody has seen where it was cut
                continue
            place = self._place(result, film)
            group = groups.get((*found.kind, place.function))
            if group is None:
                groups[*found.kind, place.function] = _Group(found, place)
            else:
                group.count += 1
        return list(groups.values())

    def _place(self, result: Result, film: Film | None) -> Place:
        """Of the last cut; where there is none, of the end."""
        if film is None:
            return self.tree.of_result(result)
        frame = next(iter(reversed(list(cuts_of(film)))), end_of(film))
        return self.tree.of_result(result) if frame is None else self.tree.of_frame(result, frame)

    def _fingerprint(self, result: Result, *of_finding: str) -> str:
        of_search = result.origin.identity or result.name
        words = (self.tree.of_result(result).file, of_search, *of_finding)
        return sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()


def _running(frame: Frame) -> str:
    """Function, line and callers, where they are known."""
    running = None if frame.moment is None else frame.moment.running
    return "" if running is None or running.place is None else f"; in {printable(str(running))}"


def steps_of(film: Film) -> Iterator[tuple[Frame, int]]:
    """Its frames for a reader: of operations of one kind in a row, by the same code, the first,
    with how many they are."""
    for _, group in groupby(film.frames, _step):
        frames = list(group)
        yield frames[0], len(frames)


def _step(frame: Frame) -> object:
    is_one_of_many = frame.kind == "operation"
    return (frame.boot, operation_kind(frame), frame.where) if is_one_of_many else id(frame)


def _excuse(result: Result) -> str:
    return result.origin.excuse or "a hazard of the boot strategy that is known"


def _like(groups: dict[tuple[str, str, str], _Group], kind: tuple[str, str]) -> _Group | None:
    return next((group for key, group in groups.items() if key[:2] == kind), None)

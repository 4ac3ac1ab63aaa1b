"""What an exploration says: numbers, findings, and what it assumed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from flash_emulator.array.pages import Slice
from flash_emulator.explore.path import Path
from flash_emulator.power import Decay, Outcome

_LEAST_PATIENCE_S = 0.5
_NUMBER = re.compile(r"0x[0-9A-Fa-f_]+|\d[\d_,.]*")
COMES_BACK = "the run comes back to a state where it was before: it never comes to rest"

_RANGES = 8  # that are told in words
KEPT = 1000  # counterexamples in a report, and the first of each further kind

Stop = Literal["", "states", "cuts", "time", "interrupted", "violations"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where to stop. None: never. A search that was stopped is not complete, and says so."""

    cuts: int | None = None  # in a row; 1: every single cut
    states: int | None = 200_000  # each one that waits takes some 10 KiB
    time_s: float | None = None  # of the whole search; it binds inside a boot, too
    boot_s: float | None = 5.0  # of one boot in which nothing new happens; a violation of "live"
    hung_s: float | None = None  # the same, whatever time a search has
    violations: int | None = 100
    operations: int = 1_000_000  # of one boot; more is a violation of "live"

    @property
    def patience_s(self) -> float | None:
        """How long a boot may do nothing new: less than ``boot_s`` in a search that has no time."""
        if self.hung_s is not None or self.boot_s is None or self.time_s is None:
            return self.hung_s or self.boot_s
        return min(self.boot_s, max(_LEAST_PATIENCE_S, self.time_s / 4))


@dataclass(frozen=True, slots=True)
class Counterexample:
    """One state from which something goes wrong, and the shortest way to it that was found."""

    question: str  # "safe", "live", "reported" or the subject's own
    text: str
    path: Path
    trace: str = ""  # of an exception in the subject, or of where it was when it hung

    @property
    def tag(self) -> str:
        """What became of the question: "unsafe", "not live", or "violated: " and one's own."""
        return tag_of(self.question)

    @property
    def kind(self) -> tuple[str, str]:
        """Question and text, numbers aside: what is equal in it is likely to have one cause."""
        return self.question, _NUMBER.sub("#", self.text)

    def __str__(self) -> str:
        return f"{self.tag}: {self.text} [{self.path}]"


def _range_text(ends: tuple[int, int]) -> str:
    first, last = ends
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def kept(violations: Iterable[Counterexample]) -> tuple[Counterexample, ...]:
    """So that nothing of another kind hides behind a thousand alike."""
    found, kinds = list[Counterexample](), set[tuple[str, str]]()
    for each in violations:
        if len(found) < KEPT or each.kind not in kinds:
            found.append(each)
        kinds.add(each.kind)
    return tuple(found)


def tag_of(question: str) -> str:
    """What a violation is called, by what it violates."""
    return _TAGS.get(question, f"violated: {question}")


_TAGS = {"safe": "unsafe", "live": "not live", "reported": "not reported"}


@dataclass(frozen=True, slots=True)
class Progress:
    """While it goes on. The levels to come are not known, so no end is foretold but the level's."""

    level: int  # cuts in a row
    done: int  # states of this level that were booted
    of: int
    states: int  # in all
    boots: int
    violations: int
    elapsed_s: float
    level_left_s: float | None  # at the pace of this level
    cuts: int = 0  # tried


@dataclass(frozen=True, slots=True)
class Check:
    """One self-check: what it looked at, how often. One that fails raises SelfCheckFailed."""

    name: str
    count: int
    text: str


class SelfCheckFailed(AssertionError):
    """The search cannot be believed: the subject is not deterministic, or a cut did not fire."""


@dataclass(frozen=True, slots=True)
class Report:
    """The answer. *complete*: every state that cuts can reach was booted.

    *states* are distinct states after a cut, *boots* starts that were run (a state whose
    metastable bits were looked at is booted several times), *cuts* the points and outcomes at
    which power was cut, unit by unit, *edges* the different states that these came to.
    """

    complete: bool
    stopped_by: Stop
    states: int
    boots: int
    cuts: int
    edges: int
    levels: tuple[int, ...]  # states by the least number of cuts to them
    operations_first: int  # of the first boot, uninterrupted
    operations_most: int  # the longest uninterrupted recovery
    ends: Mapping[str, int]  # different ways to an end, by the subject's word for it
    violations: tuple[Counterexample, ...]  # the shortest first, as ``kept`` keeps them
    violation_count: int
    heat: Mapping[int, Mapping[Outcome, int]]  # cuts by offset of the sector, and outcome
    hot: Mapping[int, int]  # violations by offset of the sector that the last cut hit
    draws: int  # of each place and outcome
    enumerated: int  # cuts that left what a boot asks for, where the draw had not
    erased_values: bool  # whether cut erases leave that, too
    drawn: int  # places and outcomes of which only draws are tried: a boot does more than compare
    asked_late: Mapping[int, AbstractSet[Slice]]  # for a certificate: see there
    values_left_out: int  # that boots ask for, in cuts that leave too many of them
    merged: int  # cuts whose content nobody looks at
    refinements: int  # rounds before the last one: somebody looked after all
    checks: tuple[Check, ...]
    elapsed_s: float
    chain: str = ""  # of the certificate: one digest over all states, in order
    decays: tuple[Decay, ...] = ()  # tried with every cut, beside its outcomes
    rests_on: tuple[str, ...] = ()  # promises of the subject, and how often each was checked
    outcomes: tuple[Outcome, ...] = tuple(Outcome)  # tried at each cut
    booted_last: int = 0  # states of the last level that were booted
    places: int = 0  # where the first boot may be cut: operations, moments, and at rest
    places_cut: int = 0  # of those: cut with every outcome
    uncut: tuple[tuple[int, int], ...] = ()  # operations of the first boot not cut: first, last

    @property
    def bound(self) -> str:
        """How far a search came that was stopped, in words: it says where nothing more is hidden
        than was found."""
        if self.complete:
            return "every state was booted"
        if self.places_cut < self.places:
            return self._bound_of_places
        level, of = len(self.levels) - 1, self.levels[-1] if self.levels else 0
        whole = level if self.booted_last == of else level - 1
        if whole < 0:
            return "not even the first boot was followed to its end with all its cuts"
        found = f"{self.violation_count} findings" if self.violation_count else "nothing"
        text = f"{found} after up to {whole} cuts in a row"
        if whole < level:
            share = f"{self.booted_last:,} of {of:,} states, {self.booted_last / of:.0%}"
            text += f"; of what {level} cuts lead to, {share}, were booted"
        return text

    @property
    def _bound_of_places(self) -> str:
        found = f"{self.violation_count} findings" if self.violation_count else "nothing"
        return (
            f"{found} after single cuts at {self.places_cut:,} of {self.places:,} places of the "
            "first boot"
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """What of the search that was asked for nobody has looked at, in words."""
        if self.complete:
            return ()
        left = ["two or more cuts in a row" if len(self.levels) <= 2 else "more cuts in a row"]
        if self.places_cut < self.places:
            count = sum(last - first + 1 for first, last in self.uncut)
            shown = ", ".join(map(_range_text, self.uncut[:_RANGES]))
            more = len(self.uncut) - _RANGES
            shown += f" and {more:,} more ranges" if more > 0 else ""
            left.append(
                f"cuts in {count:,} of {self.operations_first:,} operations of the first boot"
                f" ({shown})"
                if count
                else "cuts between operations of the first boot"
            )
        return (*left, *(f"cuts that leave {outcome}" for outcome in self.outcomes_left_out))

    @property
    def passed(self) -> bool:
        """Complete, and nothing was found."""
        return self.complete and not self.violation_count

    @property
    def outcomes_left_out(self) -> tuple[Outcome, ...]:
        """What cuts may leave, and was not tried."""
        return tuple(outcome for outcome in Outcome if outcome not in self.outcomes)

    @property
    def tried(self) -> str:
        """What contents cuts left, in words for the verdict."""
        draws = f"{self.draws} draw{'' if self.draws == 1 else 's'} per place and outcome"
        where = "" if self.erased_values else " in programs"
        text = f"{draws}, and every value compared with{where}"
        if self.values_left_out:
            text += f" but {self.values_left_out:,}"
        if self.drawn:
            text += f"; draws alone decide in {self.drawn:,} cuts whose units are also read"
        if self.outcomes_left_out:
            text += f"; NOT tried: cuts that leave {', '.join(self.outcomes_left_out)}"
        return text

    @property
    def boots_per_s(self) -> float:
        return self.boots / self.elapsed_s if self.elapsed_s else 0.0

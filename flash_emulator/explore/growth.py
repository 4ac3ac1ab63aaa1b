"""How the number of states grows with the number of sectors: whether a protocol leaves scars.

    print(growth(make))  # make(8) gives subject, flash and external state of 8 sectors

A protocol whose recovery is *canonical* (what it leaves depends on how far it is, and on nothing
that happened on the way) has as many states for each sector, however many there are. Where states
grow faster, cuts leave something behind that nobody cleans up; it may be safe all the same, but no
search will ever come to the end of it at full size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from math import log

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.explore.report import Report
from flash_emulator.explore.search import Search, SearchOptions
from flash_emulator.subject import ExternalState, Subject

SIZES = (2, 4, 8)

Make = Callable[[int], tuple[Subject, EmulatedFlash, ExternalState]]
"""The same protocol over so many sectors: what boots, its first flash, its first external state."""

# Order of the growth of states *per added sector*: 0 linear, 1 quadratic, 2 cubic; for powers of
# a number it has no bound. Between them, with room for what is the same at any size.
_FLAT_BELOW = 0.35
_GROWING_BELOW = 1.6


class Kind(StrEnum):
    """The judgement."""

    FLAT = "flat"  # linear: each sector adds as many states as the one before
    GROWING = "growing"  # quadratic: each adds more than the one before
    EXPLODING = "exploding"  # cubic at least; most often each sector multiplies them
    STOPPED = "stopped"  # a search met a limit: nothing can be said


@dataclass(frozen=True, slots=True)
class Point:
    """One search. *sectors* is what ``make`` was given."""

    sectors: int
    report: Report

    @property
    def states_per_sector(self) -> float:
        return self.report.states / self.sectors

    @property
    def depth(self) -> int:
        """Cuts in a row that still come to new states."""
        return len(self.report.levels) - 1


@dataclass(frozen=True, slots=True)
class Growth:
    """The searches, smallest first; those behind one that was stopped were not begun."""

    kind: Kind
    points: tuple[Point, ...]

    @property
    def warning(self) -> str:
        """What is likely to be the cause, and what that means; empty where growth is flat."""
        depths = [point.depth for point in self.points]
        match self.kind:
            case Kind.FLAT:
                return ""
            case Kind.GROWING:
                return f"{_GROWING}{_deeper(depths)}."
            case Kind.EXPLODING:
                return f"{_EXPLODING}{_deeper(depths)}."
            case Kind.STOPPED:
                last = self.points[-1]
                return _STOPPED.format(by=last.report.stopped_by, n=last.sectors)

    def __str__(self) -> str:
        lines = ["sectors     states  per sector      boots  depth"]
        for point in self.points:
            report, mark = point.report, "" if point.report.complete else "  not complete"
            lines.append(
                f"{point.sectors:7}{report.states:11,}{point.states_per_sector:12,.1f}"
                f"{report.boots:11,}{point.depth:7}{mark}"
            )
        return "\n".join([*lines, f"growth: {self.kind}. {self.warning}".rstrip()])


_GROWING = (
    "Each sector adds more states than the one before: a second position survives beside the "
    "progress. Likely causes: a counter or log of attempts; recovery that goes back over sectors "
    "that were done, so that cuts walk backwards; leftovers of an earlier attempt that are still "
    "there while the next one goes on"
)
_EXPLODING = (
    "Each sector multiplies the states: a cut leaves in every sector a scar of its own. Likely "
    "causes: torn records that are skipped and stay; weak marks that are trusted and never written "
    "again; a restart from the first sector that leaves later ones as they were"
)
_STOPPED = (
    "The search of {n} sectors was stopped ({by}) before all was seen: growth cannot be judged. "
    "Take smaller sizes, or raise the limit. Where the smaller ones were quick, states explode."
)


def _deeper(depths: Sequence[int]) -> str:
    if depths[-1] <= depths[0]:
        return ""
    return (
        f". The more sectors, the more cuts in a row still leave something new ({depths[0]}, then "
        f"{depths[-1]}): what one cut leaves is not cleaned up by the boot that follows"
    )


def growth(
    make: Make,
    sizes: Sequence[int] = SIZES,
    *,
    options: SearchOptions | None = None,
    executor: Executor | None = None,
) -> Growth:
    """Search at each of *sizes* (three at least, ascending), and judge.

    Violations do not matter here, but their limit does; that of time is of all searches together.
    SelfCheckFailed as for a search.
    """
    options = options or SearchOptions()
    limit_s, began_s = options.limits.time_s, time.monotonic()
    if len(sizes) < 3 or any(size >= following for size, following in pairwise(sizes)):
        raise ValueError(f"sizes: {list(sizes)}; three or more are needed, in ascending order")
    points: list[Point] = []
    for sectors in sizes:
        subject, flash, external = make(sectors)
        if limit_s is not None:
            left_s = max(0.0, began_s + limit_s - time.monotonic())
            options = replace(options, limits=replace(options.limits, time_s=left_s))
        report = Search(subject, flash, external, options, executor=executor).run()
        points.append(Point(sectors, report))
        if not report.complete:
            return Growth(Kind.STOPPED, tuple(points))
    return Growth(judge([(point.sectors, point.report.states) for point in points]), tuple(points))


def judge(points: Sequence[tuple[int, int]]) -> Kind:
    """What states by sectors, (sectors, states), grow like; the last three points decide.

    Constant parts cancel, since states *added* per sector are compared.
    """
    (size_a, a), (size_b, b), (size_c, c) = points[-3:]
    added, added_then = (b - a) / (size_b - size_a), (c - b) / (size_c - size_b)
    if added_then <= max(added, 0):
        return Kind.FLAT
    middle, middle_then = (size_a + size_b) / 2, (size_b + size_c) / 2
    order = log(added_then / max(added, 1 / size_b)) / log(middle_then / middle)
    if order < _FLAT_BELOW:
        return Kind.FLAT
    return Kind.GROWING if order < _GROWING_BELOW else Kind.EXPLODING

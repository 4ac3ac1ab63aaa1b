"""Coverage of a search as plain values: what ran in which boots, by line, branch and operation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flash_emulator.machine.debug_info import Location
from flash_emulator.machine.symbols import shown
from flash_emulator.power import Outcome

Cuts = dict[Outcome, int]


@dataclass(frozen=True, slots=True)
class Boots:
    """In how many boots something ran: in *all*, and in those that followed a cut (*after*)."""

    all: int = 0
    after: int = 0

    @property
    def status(self) -> str:
        """``never``, ``no cut``: only without a cut before, ``after``: after cuts, too."""
        if not self.all:
            return "never"
        return "after" if self.after else "no cut"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the source that code belongs to."""

    number: int
    boots: Boots


@dataclass(frozen=True, slots=True)
class Way:
    """One of the two ways that a branch may go. *to*: the line it leads to; None: of no line."""

    address: int
    to: Location | None
    taken: bool
    boots: Boots


@dataclass(frozen=True, slots=True)
class Branch:
    """*addresses*: of the instructions that are this branch. *boots*: in which it was executed.
    *ways*: first where it goes when its condition does not hold."""

    place: Location
    kind: str
    addresses: tuple[int, ...]
    boots: Boots
    ways: tuple[Way, Way]


@dataclass(frozen=True, slots=True)
class CutOperation:
    """A place that programs or erases, and its cuts by outcome; *again*: those of them in boots
    that followed a cut."""

    place: Location
    address: int
    kind: str
    cuts: Cuts
    again: Cuts


@dataclass(frozen=True, slots=True)
class FunctionCoverage:
    """*line* is 0 where only the symbol table knows it."""

    name: str
    file: str
    line: int
    boots: Boots


@dataclass(frozen=True, slots=True)
class SourceFile:
    """*text*: its lines; None where it is gone. *is_listing*: it is no source, but instructions.
    *path*: where it lies, for other tools."""

    program: str
    name: str
    path: str
    is_listing: bool
    text: tuple[str, ...] | None
    lines: tuple[Line, ...]
    functions: tuple[FunctionCoverage, ...]
    branches: tuple[Branch, ...]
    operations: tuple[CutOperation, ...]


@dataclass(frozen=True, slots=True)
class Unreached:
    """A way of a branch that no boot after a cut has taken, though its condition was looked at in
    such boots."""

    branch: Branch
    way: Way

    @property
    def is_never(self) -> bool:
        """Whether no boot at all took it."""
        return not self.way.boots.all

    @property
    def what(self) -> str:
        """``never goes to boot.c:121``, or of its condition, where no other line is known."""
        to = self.way.to
        if to is not None and to.place != self.branch.place.place:
            return f"never goes to {to.place}"
        condition = "never holds" if self.way.taken else "always holds"
        return f"its condition {condition} (at {shown(self.branch.addresses[0])})"

    def __str__(self) -> str:
        """``recover(), boot.c:120: never goes to boot.c:121, in 412 boots after a cut``."""
        count = self.branch.boots.after
        boots = f"in {count:,} boots after a cut" if count != 1 else "in the one boot after a cut"
        rest = "" if self.is_never else f", but in {self.way.boots.all:,} without a cut"
        return f"{self.branch.place}: {self.what}, {boots}{rest}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one search. *boots*: all of them. *missing*: what could not be told, in words; *hung*:
    boots that never came to rest, which were not traced."""

    boots: Boots
    files: tuple[SourceFile, ...]
    missing: tuple[str, ...] = ()
    hung: int = 0

    def unreached(self) -> tuple[Unreached, ...]:
        """Branches of recovery that no cut ever reached; those that nothing reached first."""
        found = [
            Unreached(branch, way)
            for file in self.files
            for branch in file.branches
            if branch.boots.after
            for way in branch.ways
            if not way.boots.after
        ]
        return tuple(sorted(found, key=lambda each: not each.is_never))

    def never_entered(self) -> Iterator[FunctionCoverage]:
        """Functions that no boot came to."""
        for file in self.files:
            yield from (each for each in file.functions if not each.boots.all)

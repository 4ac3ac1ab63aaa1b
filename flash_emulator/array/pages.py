"""Pages of the array: what every unit of one holds, and what it has been through.

Almost all units are virgin, or hold data whose check bits are right. Those are bytes and a mark.
The few that a cut, an overwrite or a flipped bit has touched are kept bit by bit, check bits
included, as ``RawUnit``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from flash_emulator.compiled import mypyc_attr

ERASED = 0xFF


class Mark(IntEnum):
    """One per program unit."""

    VIRGIN = 0  # a completed erase, nothing since
    PROGRAMMED = 1  # data as read, check bits as they should be
    RAW = 2  # look at its RawUnit
    UNKNOWN = 3  # nothing is assumed of it; whoever looks at it is told so


@dataclass(frozen=True, slots=True)
class RawUnit:
    """A unit bit by bit: data in the low bits of *word*, check bits above them.

    *metastable* bits are drawn anew at every read. *fading* bits read right now; those of the
    first mask become metastable at the next power-on, those of the second at the one after, and
    so on.
    """

    word: int
    metastable: int = 0
    fading: tuple[int, int, int] = (0, 0, 0)
    consumed: bool = True  # the controller of an ECC part refuses to program it, whatever it reads
    marginal: bool = False  # it takes a program, and what it takes is weak

    def __reduce__(self) -> tuple[type[RawUnit], tuple[object, ...]]:
        """Frozen, it is made anew: where it is compiled it would be changed else."""
        return RawUnit, (self.word, self.metastable, self.fading, self.consumed, self.marginal)

    def after_power_on(self) -> RawUnit:
        """Weak bits have had their time."""
        if not any(self.fading):
            return self
        first, second, third = self.fading
        metastable, fading = self.metastable | first, (second, third, 0)
        return RawUnit(self.word, metastable, fading, self.consumed, self.marginal)

    def faded(self) -> RawUnit:
        """All weak bits have had their time."""
        first, second, third = self.fading
        metastable = self.metastable | first | second | third
        return RawUnit(self.word, metastable, (0, 0, 0), self.consumed, self.marginal)

    def __repr__(self) -> str:
        """As dataclasses write it: digests are made of it, often."""
        return (
            f"RawUnit(word={self.word}, metastable={self.metastable}, fading={self.fading}, "
            f"consumed={self.consumed}, marginal={self.marginal})"
        )


Slice = tuple[int, bytes]
"""Bytes of a unit, and where in it they begin."""

NotHeld = frozenset[Slice]


@mypyc_attr(allow_interpreted_subclasses=True, serializable=True)
class Page:
    """Data and marks of one page; shared between forks until one of them writes.

    All pages that are blank are one, and all of which nothing is known.
    """

    __slots__ = ("data", "digest", "marks", "not_held", "raw", "unknown")

    def __init__(
        self,
        data: bytearray,
        marks: bytearray,
        raw: dict[int, RawUnit],
        unknown: int = 0,
        not_held: dict[int, NotHeld] | None = None,
    ) -> None:
        self.data = data
        self.marks = marks
        self.raw = raw  # by unit within the page
        self.unknown = unknown  # how many units are marked so
        self.not_held = not_held or {}  # what unknown units do not hold, where that is known
        self.digest: int | None = None  # 128 bits, None when it has to be taken anew

    def copy(self) -> Page:
        return Page(
            bytearray(self.data),
            bytearray(self.marks),
            dict(self.raw),
            self.unknown,
            dict(self.not_held),
        )

    def forget(self, units: range) -> None:
        """Drop what is kept of single *units*."""
        if self.raw:
            self.raw = {unit: raw for unit, raw in self.raw.items() if unit not in units}
        if self.not_held:
            self.not_held = {
                unit: held for unit, held in self.not_held.items() if unit not in units
            }

    def content(self, first: int, stop: int) -> Hashable:
        """All that its units [first, stop) hold: equal for equal units, and only for them."""
        size = len(self.data) // len(self.marks)
        plain = bytes(self.data[first * size : stop * size]), bytes(self.marks[first:stop])
        if not self.raw and not self.not_held:
            return plain
        units = range(first, stop)
        raw = [(unit, self.raw[unit]) for unit in units if unit in self.raw]
        held = [(unit, self.not_held[unit]) for unit in units if unit in self.not_held]
        return (*plain, *raw, *held) if raw or held else plain

    def take_digest(self, index: int) -> int:
        if self.digest is None:
            digest = hashlib.blake2b(self.data, digest_size=16, salt=index.to_bytes(8, "little"))
            digest.update(self.marks)
            if self.raw:
                digest.update(repr(sorted(self.raw.items())).encode())
            if self.not_held:
                held = [(unit, sorted(slices)) for unit, slices in sorted(self.not_held.items())]
                digest.update(repr(held).encode())
            self.digest = int.from_bytes(digest.digest(), "little")
        return self.digest


def forgotten_page(size: int, units: int) -> Page:
    """A page of which nothing is known."""
    return Page(bytearray([ERASED]) * size, bytearray([Mark.UNKNOWN]) * units, {}, units)


@cache
def forgotten_digest(size: int, units: int, index: int) -> int:
    return forgotten_page(size, units).take_digest(index)

"""What a cut may leave in units, as far as boots tell it apart by comparing.

Of a torn unit the seed draws one word of many. So that a boot cannot be wrong for a word that was
not drawn, each unit is also left as boots ask for it: whenever one compares a unit with something,
there is a state in which it reads so, and one in which it does not, wherever the operation can
leave that (``torn``). Boots of these states ask for more, and that is held beside it.

A question that only a later boot asks is found when a level is done, most often the first, since
probes of what comes next have seen it; then the search begins anew, and asks it everywhere from the
start (``Job.asked``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flash_emulator.array.cells import Cells
from flash_emulator.array.pages import Mark, Slice
from flash_emulator.array.torn import other_word, reads_as, torn_word
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.power import Outcome

_MOST = 64  # contents of one place and outcome, beyond what is drawn

Question = tuple[int, Slice]  # a unit, and what it is compared with
Words = dict[int, int]  # cells by unit

TORN = (Outcome.TORN, Outcome.METASTABLE)
"""Outcomes that leave each cell as it was or moved."""

DRAWN = (*TORN, Outcome.BLANK, Outcome.WEAK)
"""Outcomes that leave something to chance."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that cuts leave torn: cells that stay, and those that move."""

    index: int
    fixed: int  # of the cells that stay, which are 1
    moving: int
    is_programmed: bool  # not erased

    def may_read(self, cells: Cells, wanted: Slice) -> bool:
        """Whether it may read so, torn; not where AFTER leaves that of a program."""
        word = torn_word(cells.code, self.fixed, self.moving, [wanted])
        return word is not None and not (self.is_programmed and word == self.fixed)


@dataclass(slots=True)
class Told:
    """What was told apart: *torn* units with what was asked of them in every case; *read*: places
    and outcomes where a boot also looked at the unit otherwise; *left_out*: contents beyond
    ``_MOST``."""

    torn: dict[Unit, frozenset[Slice]] = field(default_factory=dict)
    read: int = 0
    left_out: int = 0

    def add(self, unit: Unit, asked: frozenset[Slice]) -> None:
        known = self.torn.get(unit)
        self.torn[unit] = asked if known is None else known & asked

    def update(self, other: Told) -> None:
        for unit, asked in other.torn.items():
            self.add(unit, asked)
        self.read += other.read
        self.left_out += other.left_out

    def unasked(self, cells: Cells, asked: Mapping[int, Iterable[Slice]]) -> set[Question]:
        """Of what boots *asked* of units: what no torn one was tried for, and may read as."""
        return {
            (unit.index, wanted)
            for unit, tried in self.torn.items()
            for wanted in asked.get(unit.index, ())
            if wanted not in tried and unit.may_read(cells, wanted)
        }


@dataclass(frozen=True, slots=True)
class Cutting:
    """One place, outcome and draw. *cut* leaves words of one's own choice in units; *shaped*: the
    state that is booted for that; *asked*: what its boots ask of units that were cut."""

    operation: Operation
    outcome: Outcome
    before: Cells
    cut: Callable[[Words], EmulatedFlash]
    shaped: Callable[[EmulatedFlash], EmulatedFlash]
    asked: Callable[[EmulatedFlash], Iterable[Question]]
    new: int  # the word that is programmed; of an erase all ones
    units: range  # that are cut
    erases: bool  # whether erases are left as boots ask for it, too

    def contents(
        self, told: Told, first: Iterable[Question] | None = None
    ) -> Iterator[tuple[Words, EmulatedFlash]]:
        """What is drawn, and all other contents that boots ask for. *first*: what they asked of a
        state that stands for what is drawn, which is not told apart then."""
        waiting: deque[tuple[Words, frozenset[Question]]] = deque([({}, frozenset())])
        met: set[tuple[tuple[int, int], ...]] = {()}
        tried: dict[int, set[Slice]] = {}
        while waiting:
            words, held = waiting.popleft()
            left = self.cut(words)
            asked = first
            if words or first is None:
                twin = self.shaped(left)
                if not words:
                    tried.update((index, set()) for index in self._torn(twin))
                yield words, twin
                asked = self.asked(twin) if self._is_turned else ()
            for question in sorted(set(asked or ()) if self._is_turned else ()):
                if left.cells.is_unknown(question[0]) or self.before.is_unknown(question[0]):
                    continue
                tried.setdefault(question[0], set()).add(question[1])
                turned = self._turned(left, question, held)
                if turned is None:
                    continue
                more = {**words, question[0]: turned}
                name = tuple(sorted(more.items()))
                if name in met:
                    continue
                if len(met) > _MOST:
                    told.left_out += 1
                    continue
                met.add(name)
                read_choice = reads_as(left.cells.code, turned, question[1])
                waiting.append((more, held | {question} if read_choice else held))
        for index, slices in tried.items():
            told.add(self._unit(index), frozenset(slices))

    @property
    def _is_turned(self) -> bool:
        """Whether the units are left as boots ask for it, too."""
        is_tried = self.operation.kind == "program" or self.erases
        return is_tried and self.outcome is Outcome.TORN

    def _torn(self, twin: EmulatedFlash) -> Iterator[int]:
        """Units of which the cut leaves one word of several, and *twin* knows which."""
        if not self._is_turned:
            return
        for index in self.units:
            blank = self.before.mark(index) is Mark.VIRGIN and self.operation.kind != "program"
            unknown = self.before.is_unknown(index) or twin.cells.is_unknown(index)
            if not blank and not unknown:
                yield index

    def _turned(
        self, left: EmulatedFlash, question: Question, held: frozenset[Question]
    ) -> int | None:
        """A word for which the answer is the other one; None where there is none, or it is what
        another outcome leaves."""
        index, wanted = question
        code, word = left.cells.code, left.cells.word(index)
        kept = [one for at, one in held if at == index]
        moving = self._unit(index).moving
        if wanted in kept:
            return None
        if reads_as(code, word, wanted):
            return other_word(code, word, moving, wanted, kept)
        found = torn_word(code, word, moving, [*kept, wanted])
        return None if found is not None and self._is_another(index, found) else found

    def _is_another(self, index: int, word: int) -> bool:
        """Whether AFTER leaves this of a program, or BEFORE or BLANK."""
        if self.operation.kind != "program":
            return False
        old = self.before.word(index)
        return word == old & self.new or (word == old and self.outcome is Outcome.TORN)

    def _unit(self, index: int) -> Unit:
        old = self.before.word(index)
        is_programmed = self.operation.kind == "program"
        moving = old & ~self.new if is_programmed else self.new & ~old
        return Unit(index, old & ~moving, moving, is_programmed)

"""A state and the representative that is booted in its place, booted side by side.

``Subject.representative`` is a promise: every boot does the same with both. Every search compares a
sample of them. Both are booted; and where their operations differ in place, what the same cuts in
both leave is booted, too, with metastable bits as they last read, and the other way. The two must

* do the same operations, and end in the same way;
* leave the same beside the flash whenever power goes (``Boot.surviving``);
* leave flashes that stand for each other (``Subject.canonical``).

Places may differ, and nothing is asked of what a torn unit holds: that is drawn by place. Where one
of the two comes to content of which a search knows nothing, what comes is not compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest

from flash_emulator.array.pages import Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.device.trace import Operation
from flash_emulator.errors import UnknownContent
from flash_emulator.explore.hidden import what_is_hidden
from flash_emulator.explore.path import Cut
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.report import SelfCheckFailed
from flash_emulator.explore.states import Key
from flash_emulator.power import CutAt, Outcome, PowerLoss
from flash_emulator.subject import Boot, ExternalState, Subject, Violation, ended_in
from flash_emulator.watchdog import beat, beat_if_new, heed

_EVERY = 256  # states, by two bytes of their key; and the first of each kind in some batches
_GONE_INTO = 3  # programs of one boot: what cuts in them leave is booted again, both times
_RECORD = 512  # bytes of a program: behind larger ones cells are not compared
_BEGINNING = 3  # steps of those boots that are compared

_Left = tuple[EmulatedFlash, ExternalState]


@dataclass(frozen=True, slots=True)
class Pair:
    """What *cut* left, and the representative that is explored in its place."""

    key: Key
    one: EmulatedFlash
    other: EmulatedFlash
    external: ExternalState
    cut: Cut


class Sample:
    """Which pairs of a batch are compared: some by their keys, and with *kinds* the first of each
    kind, too."""

    def __init__(self, subject: Subject, *, kinds: bool) -> None:
        self._subject = subject
        self._by_kind = kinds
        self._met: set[Key] = set()
        self._kinds: set[Hashable] = set()
        self._waiting: list[Pair] = []
        self._offered = 0

    def offer(self, pair: Pair) -> None:
        """*pair* is about to be explored as its representative."""
        self._offered += 1
        if pair.key in self._met:
            return
        self._met.add(pair.key)
        if int.from_bytes(pair.key[:2]) % _EVERY == 0 or self._is_new_kind(pair):
            self._waiting.append(pair)

    def _is_new_kind(self, pair: Pair) -> bool:
        if not self._by_kind:
            return False
        kind = self._subject.kind(pair.one, pair.other)
        is_new = kind not in self._kinds
        self._kinds.add(kind)
        return is_new

    def take(self) -> tuple[int, list[Pair]]:
        """How many were offered since this was asked last, and those chosen. The boot is over."""
        offered, waiting = self._offered, self._waiting
        self._waiting, self._offered = [], 0
        return offered, waiting


def compare(subject: Subject, pair: Pair, most: int, where: object) -> None:
    """Boot both; each does *most* operations at most. *where* says which cuts lead to them.

    Raises SelfCheckFailed where they do not do the same.
    """
    one, other = (pair.one, pair.external), (pair.other, pair.external)
    found = _differ(subject, one, other, most, deep=True)
    if found:
        raise SelfCheckFailed(
            f"a state and its representative do not do the same: state {pair.key.hex()}, after "
            f"{where}, and what stands for it: {found}. So the subject's promise does not hold "
            f"({subject.promise or 'Subject.representative'}); search without representatives"
        )


class CutNeverFired(BaseException):
    """The supply was told to cut in this operation, and the operation returned. A bug of ours.

    No Exception, so that the subject's own handlers cannot hide it.
    """


class _Endless(BaseException):
    """The boot does more operations than it may."""


class _Enough(BaseException):
    """A boot behind a cut has shown how it begins."""


def _differ(subject: Subject, one: _Left, other: _Left, most: int, *, deep: bool) -> str:
    """What differs; empty where nothing does. Not *deep*: only how both begin is compared."""
    for read_choice in (ReadChoice(), ReadChoice(MetastableMode.FLIPPED)):
        short = None if deep else _BEGINNING
        here, there = (
            _Following(subject, *each, read_choice, most, short) for each in (one, other)
        )
        here.run()
        there.run()
        if found := _first_difference(subject, here, there):
            return f"{found}{_read(read_choice)}"
        for what, left, its in _gone_into(subject, here, there) if deep else ():
            if found := _differ(subject, left, its, most, deep=False):
                return f"behind a cut {what}{_read(read_choice)}: {found}"
        if not here.flickered and not there.flickered:
            break
    return ""


def _is_moved(one: _Step, other: _Step) -> bool:
    """Whether the two do the same at different places, and cells are kept of it."""
    ours, theirs = one.operation, other.operation
    if one.flash is None or other.flash is None:
        return False
    return ours is not None and theirs is not None and ours.address != theirs.address


def _read(read_choice: ReadChoice) -> str:
    return "" if read_choice == ReadChoice() else ", metastable bits read the opposite"


def _first_difference(subject: Subject, here: _Following, there: _Following) -> str:
    """Cells are compared where the two program different places, and at the end."""
    last = min(len(here.steps), len(there.steps))
    for number, (one, other) in enumerate(zip_longest(here.steps, there.steps), 1):
        if one is None or other is None:
            is_cut_short = here.blind if one is None else there.blind
            return "" if is_cut_short else _told(number, one, other)
        if (one.what, one.externals) != (other.what, other.externals):
            return _told(number, one, other)
        is_last = number == last and one.flash is not None and other.flash is not None
        is_asked = is_last or (_is_moved(one, other) and one.what != "erase")
        if is_asked and _canonical(subject, one.left()) != _canonical(subject, other.left()):
            return f"step {number}, {one.what}: a cut before it leaves something else in flash"
    return ""


def _told(number: int, one: _Step | None, other: _Step | None) -> str:
    if one is None or other is None or one.what != other.what:
        ours, theirs = (step.what if step else "nothing more" for step in (one, other))
        return f"step {number}: {ours}, and {theirs}"
    return f"step {number}, {one.what}: a cut before it leaves something else beside the flash"


def _gone_into(
    subject: Subject, here: _Following, there: _Following
) -> Iterator[tuple[str, _Left, _Left]]:
    """What cuts leave in programs that one of the two does elsewhere, where both leave the same.

    A unit that is weak is drawn as if both were at one place; what differs all the same, since the
    data do, is not compared.
    """
    both = zip(here.steps, there.steps, strict=False)
    moved = [pair for pair in both if _is_moved(*pair) and pair[0].what != "erase"]
    for one, other in moved[-_GONE_INTO:]:
        left, its = one.left(Outcome.WEAK), other.left(Outcome.WEAK)
        if _canonical(subject, left) == _canonical(subject, its):
            what = f"in {one.operation} or {other.operation}, outcome weak"
            yield what, (left, one.external), (its, other.external)


@dataclass(frozen=True, slots=True)
class _Step:
    """An operation that is about to be done, or the end; and all that a cut there would leave.

    *externals*: digests of what survives beside the flash, in every way; *external* is the first of
    them.
    """

    what: str
    externals: tuple[bytes, ...]
    external: ExternalState
    flash: EmulatedFlash | None  # None before programs of more than a record
    operation: Operation | None

    def left(self, outcome: Outcome = Outcome.BEFORE) -> EmulatedFlash:
        """What a cut in its last unit leaves; BEFORE: nothing of it was done."""
        assert self.flash is not None
        twin = self.flash.alone()
        if self.operation is not None and outcome is not Outcome.BEFORE:
            twin.supply = CutAt(self.operation.done, outcome, place=0)
            with suppress(PowerLoss):
                twin.repeat(self.operation)
                raise CutNeverFired(f"{self.operation}, outcome {outcome}")
        twin.forget_interrupted()
        twin.cells.fade()
        return twin


@dataclass(slots=True)
class _Following:
    """One boot: its steps; only so many as are *wanted*, where that is said. *blind*: it came to
    content of which nothing is known."""

    subject: Subject
    flash: EmulatedFlash
    external: ExternalState
    read_choice: ReadChoice
    most: int
    wanted: int | None = None
    steps: list[_Step] = field(default_factory=list)
    blind: bool = False
    _boot: Boot = field(init=False)
    _done: set[Operation] = field(default_factory=set)

    def run(self) -> None:
        beat()
        state = self.subject.returned(self.flash, self.external)
        try:
            with what_is_hidden(self):
                self._boot = self.subject.boot(
                    powered(state, self.read_choice, self._attach), self.external
                )
                end = self._ended()
        except UnknownContent:
            self.blind = True
            return
        except _Enough:
            return
        finally:
            self.flash.watch = None
        with suppress(_Enough):
            self._note(end)

    def _attach(self, flash: EmulatedFlash) -> _Following:
        self.flash = flash
        return self

    def _ended(self) -> str:
        run = self._boot.run()
        try:
            while True:
                next(run)
                heed()
        except StopIteration as stop:
            return f"the end: {stop.value}"
        except Violation as violation:
            return f"a violation of {violation.question}"
        except _Endless:
            return "no end"
        except (Exception, SystemExit) as error:
            return ended_in(error)

    @property
    def flickered(self) -> bool:
        return self.flash.flickers > 0

    def operation(self, operation: Operation) -> None:
        self.most -= operation.done
        if self.most < 0:
            raise _Endless
        beat_if_new(operation, self._done)
        units = f", {operation.done} units" if operation.kind == "program" else ""
        self._note(f"{operation.kind}{units}", operation)

    def _note(self, what: str, operation: Operation | None = None) -> None:
        ways = self._boot.surviving()
        externals = tuple(external.digest for _, external in ways)
        is_kept = operation is None or len(operation.data) <= _RECORD
        flash = self.flash.alone() if is_kept else None
        self.steps.append(_Step(what, externals, ways[0][1], flash, operation))
        if len(self.steps) == self.wanted:
            raise _Enough

    def moment(self) -> None:
        """No step."""

    def read(self, offset: int, size: int) -> None:
        """Whoever looks at what is unknown is told so by the device."""

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        """As ``read``."""


def _canonical(subject: Subject, flash: EmulatedFlash) -> Hashable:
    return subject.canonical(subject.representative(flash))

"""The core in Python and the core in C, booted side by side on every state of a closure.

A search of the Python core lists the states that any number of cuts can reach, and the ways in
which their metastable units may read. Each of them is booted twice, from power-on to rest, once by
each core, without a cut. What the two do is compared, in its order:

* each program, unit by unit, with its data; each erase;
* the units that are looked at between two of these. C may look once more at what it has looked at
  in the same boot: it reads a checkpoint again that Python has in RAM;
* each line to the module, and within MOST_LATE_MS the time at which it is sent. (The clock counts
  whole milliseconds for each operation of flash, and C copies a checkpoint in several.);
* which bank is booted, how, as which version; and the verdict of all questions at rest.

Where these are the same, the same cut leaves the same in both cases. So the C core reaches the same
states, and no others, and what was found out about the one holds for the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

from flash_emulator import EmulatedFlash
from flash_emulator.array.pages import Slice
from flash_emulator.device.trace import Operation
from flash_emulator.errors import UnknownContent
from flash_emulator.explore import Search, SearchOptions
from flash_emulator.explore.path import Path
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.states import Expansion, Job, Key, State
from flash_emulator.subject import Violation, ended_in
from mcu_updater.core.events import Booted, Event
from mcu_updater.powerloss.in_c import SubjectInC
from mcu_updater.powerloss.questions import Questions
from mcu_updater.powerloss.scenario import Scenario
from mcu_updater.powerloss.subject import BoardBoot, BoardSubject

Step = tuple[object, ...]

MOST_LATE_MS = 100
"""Far below the shortest time that either core waits for anything."""


MOST_STEPS = 100_000
"""Of one boot: far more than any that comes to rest takes."""


class _NoRest(BaseException):
    """One more than that. No Exception, so that nobody handles it."""


@dataclass(slots=True)
class Doing:
    """What one boot does, as steps to compare. *looks*: units looked at since the last one, and
    those of them that lie in a range behind one that may be unreadable: they may not be read.

    *asking*: it is a question of ours that looks, and not the core.
    """

    unit: int
    base: int
    steps: list[Step] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # of lines, in ms
    looks: list[tuple[frozenset[int], frozenset[int]]] = field(default_factory=list)
    operations: int = 0
    asking: bool = False
    flash: EmulatedFlash | None = None
    boot: BoardBoot | None = None

    asks: ClassVar[bool] = True  # our questions, and ends with the first that has a bad answer
    _looked: set[int] = field(default_factory=set)
    _behind: set[int] = field(default_factory=set)

    def add(self, *step: object) -> None:
        if len(self.steps) > MOST_STEPS:
            raise _NoRest
        self.steps.append(step)
        self.looks.append((frozenset(self._looked), frozenset(self._behind)))
        self._looked.clear()
        self._behind.clear()

    # --- as the watch of a flash

    def operation(self, operation: Operation) -> None:
        for at in range(0, max(len(operation.data), 1), self.unit):
            data = operation.data[at : at + self.unit]
            self.add(operation.kind, operation.address + at, data)
            self.operations += 1

    def moment(self) -> None:
        """Power does not go here."""

    def read(self, offset: int, size: int) -> None:
        if self.asking:
            return
        units = range(offset // self.unit, -(-(offset + size) // self.unit))
        self._looked.update(units)
        assert self.flash is not None
        doubtful = self.flash.cells.peek_raw_units(offset, size)
        if doubtful:
            self._behind.update(range(doubtful[0] + 1, units.stop))

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        del wanted, never
        if not self.asking:
            self._looked.add(unit)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the two part. *state*: its path; *number*: of the step."""

    state: str
    number: int
    python: object
    c: object

    def __str__(self) -> str:
        return f"{self.state}: step {self.number}: Python {self.python!r}, C {self.c!r}"


@dataclass(slots=True)
class Compared:
    """One closure. *boots*: pairs; *operations*: flash operations of one side; *lines*: to the
    module."""

    scenario: str
    states: int = 0
    boots: int = 0
    operations: int = 0
    lines: int = 0
    python_s: float = 0
    c_s: float = 0
    differences: list[Difference] = field(default_factory=list)
    late_ms: int = 0  # the most that a line was sent earlier or later


def compare(scenario: Scenario, options: SearchOptions | None = None, most: int = 5) -> Compared:
    """Boot all states of *scenario* in both; stops after *most* differences."""
    ours, theirs = BoardSubject(scenario), SubjectInC(scenario)
    found = Compared(scenario.id)
    states = states_of(ours, options or SearchOptions())
    found.states = len({state.key for state, _ in states})
    for state, read_choice in states:
        _compare_one(found, ours, theirs, state, read_choice)
        if len(found.differences) >= most:
            break
    return found


def states_of(subject: BoardSubject, options: SearchOptions) -> list[tuple[State, ReadChoice]]:
    """All that a search boots, in its order. It must be complete, or stop by itself behind so many
    cuts."""
    search = _Listed(subject)
    report = Search(
        subject,
        subject.flash,
        subject.external,
        options,
        observer=search.observe,
        began=search.begin,
    ).run()
    assert report.complete or report.stopped_by == "cuts", report.stopped_by
    return list(search.booted())


class _Listed:
    """The states of a search. What was observed before a search begins once more is void."""

    def __init__(self, subject: BoardSubject) -> None:
        self._subject = subject
        self._states: dict[Key, State] = {}
        self._choices: dict[Key, list[ReadChoice]] = {}
        self._first: Key | None = None

    def begin(self, _: Job) -> None:
        self._states.clear()
        self._choices.clear()
        self._first = None

    def observe(self, expansion: Expansion) -> None:
        self._first = self._first or expansion.state
        choices = self._choices.setdefault(expansion.state, [])
        if expansion.read_choice not in choices:
            choices.append(expansion.read_choice)
        for child in expansion.children:
            self._states.setdefault(child.key, child)

    def booted(self) -> Iterator[tuple[State, ReadChoice]]:
        for key, choices in self._choices.items():
            for choice in choices:
                yield self._states.get(key) or self._initial(key), choice

    def _initial(self, key: Key) -> State:
        assert key == self._first
        flash = self._subject.flash.fork()
        flash.draws_by_place = True
        return State(key, flash, self._subject.external, Path())


def _compare_one(
    found: Compared,
    ours: BoardSubject,
    theirs: BoardSubject,
    state: State,
    read_choice: ReadChoice,
) -> None:
    began_s = time.process_time()
    here = follow(ours, state, read_choice)
    middle_s = time.process_time()
    there = follow(theirs, state, read_choice)
    found.c_s += time.process_time() - middle_s
    found.python_s += middle_s - began_s
    found.boots += 1
    found.operations += here.operations
    found.lines += sum(step[0] == "line" for step in here.steps)
    where = f"{state.path}{read_choice}"
    parted = first_difference(here.steps, there.steps)
    if parted is not None:
        found.differences.append(Difference(where, *parted))
        return
    late_ms = max((abs(a - b) for a, b in zip(here.times, there.times, strict=True)), default=0)
    found.late_ms = max(found.late_ms, late_ms)
    if late_ms > MOST_LATE_MS:
        found.differences.append(Difference(where, 0, here.times, there.times))
    other = _other_looks(here, there)
    if other is not None:
        number, ours_, theirs_ = other
        where = f"{where}, looks before {here.steps[number]!r}"
        found.differences.append(Difference(where, number, ours_, theirs_))


def _other_looks(here: Doing, there: Doing) -> tuple[int, list[int], list[int]] | None:
    """Number of the step before which the two look at other units, and those that only one of them
    looks at. None: there is no such step."""
    before: set[int] = set()
    for number, ((one, behind), (other, _)) in enumerate(zip(here.looks, there.looks, strict=True)):
        before |= one
        if one - behind - other or other - before:
            return number, sorted(one - behind - other), sorted(other - before)
    return None


def first_difference(
    here: Sequence[Step], there: Sequence[Step]
) -> tuple[int, object, object] | None:
    """Number of the step, and what either does; None: they do the same."""
    for number, (one, other) in enumerate(_zipped(here, there)):
        if one != other:
            return number, one, other
    return None


def _zipped(one: Sequence[Step], other: Sequence[Step]) -> Iterator[tuple[object, object]]:
    for number in range(max(len(one), len(other))):
        yield (
            one[number] if number < len(one) else "nothing more",
            other[number] if number < len(other) else "nothing more",
        )


def follow(
    subject: BoardSubject, state: State, read_choice: ReadChoice, kind: type[Doing] = Doing
) -> Doing:
    """One boot of *state* to its rest."""
    part = subject.part
    doing = kind(part.program_unit, part.base)

    def watch(flash: EmulatedFlash) -> Doing:
        doing.flash = flash
        return doing

    flash = powered(state.flash, read_choice, watch)
    boot = subject.boot(flash, state.external)
    assert isinstance(boot, BoardBoot)
    doing.boot = boot
    _listen(boot, doing)
    try:
        run = boot.run()
        while True:
            next(run)
    except StopIteration as stop:
        doing.add("end", stop.value)
    except Violation as violation:
        doing.add("violation", violation.question, violation.text)
    except _NoRest:
        doing.steps[-1] = ("no rest",)
    except UnknownContent as unknown:
        doing.add("looks at what nobody looked at", str(unknown))
    except Exception as error:  # whatever it is, the other core must do it, too
        doing.add("error", ended_in(error))
    finally:
        flash.watch = None
    return doing


def _listen(boot: BoardBoot, doing: Doing) -> None:
    board, questions = boot._board, boot._questions
    if not doing.asks:
        questions = boot._questions = cast("Questions", _NoQuestions())
    was_sent, was_told = boot._command, questions.event

    def sent(data: bytes) -> None:
        doing.add("line", data)
        doing.times.append(round(board.clock.now_s() * 1000))
        doing.asking = True
        was_sent(data)
        doing.asking = False

    def told(event: Event) -> None:
        if isinstance(event, Booted):
            doing.add("booted", event.bank, event.version, event.mode, event.cause)
        doing.asking = True
        was_told(event)
        doing.asking = False

    board.on_write = sent
    questions.event = told  # type: ignore[method-assign]


class _NoQuestions:
    """In the place of ``Questions``: what is done goes on, whatever becomes of it."""

    def event(self, event: Event) -> None:
        """Nothing is wrong with it."""

    def sent(self, data: bytes) -> None:
        """Nor with that."""

    def power_on(self) -> None:
        """A session begins."""

    def at_rest(self) -> str:
        """It has come to its end."""
        return ""

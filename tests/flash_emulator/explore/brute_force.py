"""Every cut, tried one by one: a second search, slow and plain, to judge the first by.

It shares nothing with ``flash_emulator.explore`` but the device. No joins, nothing forgotten, no
state that stands for another: each state is booted from power-on once for every operation, outcome
and way of reading, and told apart by all that the device holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from flash_emulator import (
    CutAt,
    Decay,
    EmulatedFlash,
    MetastableMode,
    Outcome,
    PowerLoss,
    SteadySupply,
)
from flash_emulator.device.clock import VirtualClock
from flash_emulator.device.trace import Operation
from flash_emulator.explore import Violation

Boot = Callable[[EmulatedFlash], object]
ReadChoice = tuple[MetastableMode, frozenset[int]]
Key = tuple[object, ...]


class TooLarge(Exception):
    """More states than this search is made for."""


@dataclass(slots=True)
class Found:
    """Least number of cuts by the question that is violated then; and how many states there are."""

    shortest: dict[str, int] = field(default_factory=dict)
    states: int = 0


class Watch:
    """Which metastable units a boot looks at; and what a cut in each of its operations leaves."""

    def __init__(self, flash: EmulatedFlash) -> None:
        self.flash, self.unit = flash, flash.part.program_unit
        self.decays = (None, *sorted(flash.recalls))
        self.looked: set[int] = set()
        self.cut: list[EmulatedFlash] = []

    def read(self, offset: int, size: int) -> None:
        for unit in range(offset // self.unit, -(-(offset + size) // self.unit)):
            self.compared(unit, (0, b""), never=False)

    def compared(self, unit: int, wanted: tuple[int, bytes], *, never: bool) -> None:
        raw = self.flash.cells.raw(unit)
        if raw is not None and raw.metastable:
            self.looked.add(unit)

    def operation(self, operation: Operation) -> None:
        for number in range(operation.done):
            for outcome, decay in product(Outcome, self.decays):
                twin = self.flash.fork()
                twin.supply = CutAt(number + 1, outcome, decay=decay)
                try:
                    twin.repeat(operation)
                except PowerLoss:
                    self.cut.append(twin)
                    continue
                raise AssertionError(f"{operation} was not cut")

    def moment(self) -> None:
        """No cut here."""


def brute_force(
    flash: EmulatedFlash,
    boot: Boot,
    verdict: Boot,
    *,
    fade: bool,
    most: int = 3000,
    cuts: int | None = None,
    decays: Sequence[Decay] = (),
    opsr: bool = False,
) -> Found:
    """All states that cuts can come to from *flash*. *fade*: weak bits are metastable at once.
    *decays*: each cut also with these.

    *opsr*: the boot reads FLASH_OPSR; else every cut would leave another state for nothing. Raises
    TooLarge where there are more than *most*.
    """
    first = flash.fork()
    first.draws_by_place = True
    first.recalls = frozenset(decays)
    level, seen, found, depth = [first], {key_of(first)}, Found(), 0
    while level and (cuts is None or depth <= cuts):
        children = []
        for state in level:
            for question, child in expand(state, boot, verdict):
                if question:
                    found.shortest.setdefault(question, depth)
                if child is None:
                    continue
                if fade:
                    child.cells.fade()
                if not opsr:
                    child.interrupted = None
                key = key_of(child)
                if key not in seen:
                    seen.add(key)
                    children.append(child)
                if len(seen) > most:
                    raise TooLarge(f"more than {most} states")
        level, depth = children, depth + 1
    found.states = len(seen)
    return found


def key_of(flash: EmulatedFlash) -> Key:
    """All that survives, value by value."""
    data, marks, raw = flash.cells.export()
    options = flash.options.save()
    del options["loaded"]  # power-on loads them
    return data, marks, tuple(sorted(raw.items())), repr(options), repr(flash.interrupted)


def expand(
    state: EmulatedFlash, boot: Boot, verdict: Boot
) -> Iterator[tuple[str, EmulatedFlash | None]]:
    """A question that is violated ("": none), and what a cut leaves, of all boots of *state*."""
    waiting: list[ReadChoice] = [(MetastableMode.STABLE, frozenset())]
    met = set(waiting)
    while waiting:
        read_choice = waiting.pop(0)
        flash = powered(state, read_choice)
        watch = Watch(flash)
        watch.looked |= metastable(flash) & {flash.part.bank_size // flash.part.program_unit}
        flash.watch = watch
        question = judge(flash, boot, verdict)
        flash.watch = None
        yield question, None if question else flash
        for decay in () if question else sorted(flash.recalls):
            twin = flash.fork()
            twin.decay(decay)
            yield "", twin
        for left in watch.cut:
            yield "", left
        for more in other_ways(read_choice, watch.looked):
            if more not in met:
                met.add(more)
                waiting.append(more)


def other_ways(read_choice: ReadChoice, looked: set[int]) -> Iterator[ReadChoice]:
    """One more of the metastable units that were looked at reads the opposite; they turn; drawn."""
    metastable_mode, flips = read_choice
    if metastable_mode is not MetastableMode.STABLE or not looked:
        return
    yield from ((metastable_mode, flips | {unit}) for unit in sorted(looked - flips))
    yield MetastableMode.TURNING, frozenset()
    yield MetastableMode.DRAWN, frozenset()


def metastable(flash: EmulatedFlash) -> frozenset[int]:
    _, _, raw = flash.cells.export()
    return frozenset(unit for unit, cells in raw.items() if cells.metastable)


def powered(state: EmulatedFlash, read_choice: ReadChoice) -> EmulatedFlash:
    flash = state.fork()
    flash.clock, flash.supply = VirtualClock(), SteadySupply()
    flash.metastable_mode, flash.flips = read_choice
    flash.forget_history()
    flash.power_on()
    return flash


def judge(flash: EmulatedFlash, boot: Boot, verdict: Boot) -> str:
    try:
        for _ in boot(flash) or ():  # type: ignore[attr-defined]
            pass
        verdict(flash)
    except Violation as violation:
        return violation.question
    except Exception:
        return "live"
    return ""

"""What boots of a state look at, as probes have seen it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flash_emulator.array.pages import NotHeld, Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.explore.contents import Question
from flash_emulator.explore.states import Key, Span
from flash_emulator.subject import ExternalState


@dataclass(frozen=True, slots=True)
class ReadSet:
    """What a boot from a state looks at.

    *seen*: unknown content that it looked at, and where it ended therefore; *wanted*: what it only
    compared that with. *dead*: what it erased
    and had not looked at before. *compared*: units that it erased too, and of which it only found
    out that they do not hold what it wanted. *asked*: all that it compared units with.
    """

    seen: Span | None = None
    dead: tuple[Span, ...] = ()
    compared: Mapping[int, NotHeld] = field(default_factory=dict)
    wanted: Slice | None = None
    asked: frozenset[Question] = frozenset()


ReadSetOf = Callable[[EmulatedFlash, ExternalState, Key], ReadSet]


def both_of(read_sets: Iterable[ReadSet], unit: int) -> ReadSet:
    """What any of them has seen, or else what they have in common. Stops at the first that saw."""
    both: ReadSet | None = None
    for read_set in read_sets:
        if read_set.seen is not None:
            return read_set
        both = read_set if both is None else _common(both, read_set, unit)
    return both or ReadSet()


def _common(one: ReadSet, other: ReadSet, unit: int) -> ReadSet:
    dead = tuple(
        (max(low, begin), min(high, end))
        for low, high in one.dead
        for begin, end in other.dead
        if begin < high and low < end
    )
    compared = {
        index: one.compared.get(index, frozenset()) | other.compared.get(index, frozenset())
        for index in {**one.compared, **other.compared}
        if _erased_by(one, index, unit) and _erased_by(other, index, unit)
    }
    return ReadSet(None, dead, compared, None, one.asked | other.asked)


def _erased_by(read_set: ReadSet, index: int, unit: int) -> bool:
    return index in read_set.compared or covers(read_set.dead, index * unit)


def covers(spans: Iterable[Span], at: int) -> bool:
    return any(low <= at < high for low, high in spans)

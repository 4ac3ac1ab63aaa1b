"""What boots of a state look at, as probes have seen it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flash_emulator.array.pages import NotHeld, Slice
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.explore.contents import Question
from flash_emulator.explore.states import Key, Span
from flash_emulator.explore.subject import Rest


@dataclass(frozen=True, slots=True)
class Look:
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


Looks = Callable[[EmulatedFlash, Rest, Key], Look]


def both_of(looks: Iterable[Look], unit: int) -> Look:
    """What any of them has seen, or else what they have in common. Stops at the first that saw."""
    both: Look | None = None
    for look in looks:
        if look.seen is not None:
            return look
        both = look if both is None else _common(both, look, unit)
    return both or Look()


def _common(one: Look, other: Look, unit: int) -> Look:
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
    return Look(None, dead, compared, None, one.asked | other.asked)


def _erased_by(look: Look, index: int, unit: int) -> bool:
    return index in look.compared or covers(look.dead, index * unit)


def covers(spans: Iterable[Span], at: int) -> bool:
    return any(low <= at < high for low, high in spans)

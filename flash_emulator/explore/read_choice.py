"""How metastable units read in one boot; and all the ways that one state is booted in.

A unit whose metastable bits were looked at, so that it mattered how they read, may have read the
opposite. So the state is booted again with this unit flipped, and from what that boot looks at more
follows: in the end every set of units was flipped that makes a difference. Only where a boot looks
at many of them at a time, some sets are left out (``_MOST``), and the report says how often; all
of them are flipped at once then. A boot in which they turn from one read to the next, and one in
which every bit is drawn, come to what no set of flipped units comes to.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.sensing import Flicker, MetastableMode
from flash_emulator.device.trace import Watch

# How many units are flipped at a time, by how many were looked at before the last of them.
_MOST = ((4, 4), (6, 1))  # beyond: none by itself, only all of them, turning, and drawn

_CODES = {MetastableMode.FLIPPED: "f", MetastableMode.DRAWN: "d", MetastableMode.TURNING: "t"}
_MODES = {code: mode for mode, code in _CODES.items()}
CODE = r"(?:[fdt]|[0-9a-f]{2,}(?:\+[0-9a-f]{2,})*)"
_CODE = re.compile(CODE)


@dataclass(frozen=True, slots=True)
class ReadChoice:
    """How metastable units read in one boot. *flips*: those that read the opposite while STABLE.

    As text: nothing for STABLE, else ``!f``, ``!d``, ``!t``, or ``!1f20+1f21``: the units that are
    flipped, hexadecimal, of two digits at least.
    """

    metastable_mode: MetastableMode = MetastableMode.STABLE
    flips: frozenset[int] = frozenset()

    def __str__(self) -> str:
        if self.metastable_mode is not MetastableMode.STABLE:
            return f"!{_CODES[self.metastable_mode]}"
        units = "+".join(f"{unit:02x}" for unit in sorted(self.flips))
        return f"!{units}" if units else ""

    @classmethod
    def of(cls, flash: EmulatedFlash) -> ReadChoice:
        """How *flash* reads."""
        return cls(flash.metastable_mode, flash.flips)

    @classmethod
    def parse(cls, code: str) -> ReadChoice:
        """*code* is the text without its ``!``. Raises ValueError."""
        if code and not _CODE.fullmatch(code):
            raise ValueError(f"{code!r} is no way of reading: expected such as f, d, t, 1f20+1f21")
        if code in _MODES:
            return cls(_MODES[code])
        return cls(flips=frozenset(int(unit, 16) for unit in code.split("+") if unit))


def powered(
    flash: EmulatedFlash,
    read_choice: ReadChoice,
    watch: Callable[[EmulatedFlash], Watch] | None = None,
) -> EmulatedFlash:
    """A twin that has just been powered on, as if for the first time.

    *watch* makes who is told what happens to the twin, from power-on on: the boot ROM may look at
    the array. Raises UnknownContent where it does, and that is not known.
    """
    twin = flash.for_boot(read_choice.metastable_mode, read_choice.flips)
    twin.watch = None if watch is None else watch(twin)
    twin.power_on()
    return twin


@dataclass(frozen=True, slots=True)
class Looked:
    """What a boot, or a part of one, looked at of metastable units.

    *to_flip*: units that are worth another boot, flipped; only those that come after all that are
    flipped already, so that every set is found once. *reads*: how often any was read; *beyond*:
    units that are not flipped in every set with the others, for there are too many of them.
    *is_full*: there were more than the device keeps.
    """

    to_flip: frozenset[int] = frozenset()
    reads: int = 0
    beyond: frozenset[int] = frozenset()
    is_full: bool = False

    @classmethod
    def by(cls, flash: EmulatedFlash) -> Looked:
        """Since *flash* was powered on."""
        if not flash.flickers:
            return _NOTHING
        beyond = frozenset(each.unit for each in flash.flickered if not _is_tried(each))
        return cls(_to_flip(flash), flash.flickers, beyond, flash.flickered_full)

    @property
    def left_out(self) -> bool:
        """Whether not every set of units is flipped."""
        return self.is_full or bool(self.beyond)

    def __or__(self, other: Looked) -> Looked:
        return Looked(
            self.to_flip | other.to_flip,
            self.reads + other.reads,
            self.beyond | other.beyond,
            self.is_full or other.is_full,
        )

    def __sub__(self, earlier: Looked) -> Looked:
        """Without what was looked at *earlier* in the same boot."""
        return Looked(
            self.to_flip - earlier.to_flip,
            self.reads - earlier.reads,
            self.beyond - earlier.beyond,
            self.is_full and not earlier.is_full,
        )


_NOTHING = Looked()


class Ways:
    """The ways to boot one state in; more are found while they are gone through."""

    def __init__(self, metastable_modes: Iterable[MetastableMode]) -> None:
        self._modes = tuple(metastable_modes)
        self._waiting = deque([ReadChoice()])
        self._met = {ReadChoice()}

    def __iter__(self) -> Iterator[ReadChoice]:
        while self._waiting:
            yield self._waiting.popleft()

    def looked(self, read_choice: ReadChoice, looked: Looked) -> None:
        """A boot that read as *read_choice* looked at metastable bits."""
        if read_choice.metastable_mode is not MetastableMode.STABLE or not looked.reads:
            return
        if MetastableMode.FLIPPED in self._modes:
            for unit in sorted(looked.to_flip):
                self._add(ReadChoice(flips=read_choice.flips | {unit}))
        for metastable_mode in self._modes:
            if metastable_mode is not MetastableMode.FLIPPED or looked.left_out:
                self._add(ReadChoice(metastable_mode))

    def _add(self, read_choice: ReadChoice) -> None:
        if read_choice not in self._met:
            self._met.add(read_choice)
            self._waiting.append(read_choice)


def _to_flip(flash: EmulatedFlash) -> frozenset[int]:
    left, found = len(flash.flips), set[int]()
    for flicker in flash.flickered:
        if flicker.unit in flash.flips:
            left -= 1
        elif not left and _is_tried(flicker):
            found.add(flicker.unit)
    return frozenset(found)


def _is_tried(flicker: Flicker) -> bool:
    most = next((most for among, most in _MOST if flicker.among < among), 0)
    return flicker.flipped < most

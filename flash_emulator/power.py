"""The power supply: it decides, operation by operation, what happens.

Losing power is not an error. ``PowerLoss`` is a ``BaseException``, and the device stays dead
until it is powered on again, so that no ``except Exception`` and no ``finally`` of the code
under test can touch flash after the cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Outcome(StrEnum):
    """What a cut leaves of the operation that it hit; the package docstring has the model.

    P0 to P4 are what a cut program may leave, E0 to E4 what a cut erase may.
    """

    BEFORE = "before"  # P0, E0: nothing has happened yet
    TORN = "torn"  # P1, E1: some cells have moved, the others have not
    METASTABLE = "metastable"  # P2, E2: and some read one way now, the other way next time
    BLANK = "blank"  # reads 0xFF, and yet it is not erased and may refuse to be programmed
    WEAK = "weak"  # P3, E3: all cells have moved, some not for long
    AFTER = "after"  # P4, E4: complete, but nobody lived to see it


class Decay(StrEnum):
    """What a slow decay of the supply does to operations that were complete; see ``decay``."""

    LAST = "last"  # the last complete one is weak
    DRIFT = "drift"  # what is still blank of the sector erased last drifts back


DECAYS = {
    Decay.LAST: "the last complete operation is weak",
    Decay.DRIFT: "what is still blank of the sector erased last drifts back",
}


class PowerLoss(BaseException):
    """Power is gone. Only the bench may catch this.

    *operation* counts from 1; *kind* and *address* are what it was and where: the physical address,
    as no bank alias were in force.
    """

    def __init__(self, operation: int, outcome: Outcome, kind: str, address: int) -> None:
        self.operation = operation
        self.outcome = outcome
        self.kind = kind
        self.address = address
        place = f"{kind} at 0x{address >> 16:04X}_{address & 0xFFFF:04X}"
        super().__init__(f"power lost at flash operation {operation} ({place}), outcome {outcome}")


class PowerSupply(Protocol):
    """Asked once for every run of operations of the same kind."""

    def take(self, count: int) -> int:
        """How many of the next *count* operations complete with power on.

        Fewer than *count*: the operation that follows them is the one that is cut.
        """

    @property
    def outcome(self) -> Outcome:
        """What the cut leaves of that operation."""

    @property
    def taken(self) -> int:
        """Operations so far, the one that was cut included."""


@dataclass(slots=True)
class SteadySupply:
    """A supply that never fails, and counts."""

    taken: int = 0
    outcome: Outcome = Outcome.AFTER

    def take(self, count: int) -> int:
        self.taken += count
        return count


@dataclass(slots=True)
class CutAt:
    """Cuts power at operation *operation* (1 is the first), with *outcome*; once.

    *spoils_options*: where that is a program on a part of which it was reported
    (``Part.options_at_risk``), the option bytes are corrupted too. *draw*: which of the random
    outcomes, on a device that draws by place; *place*: as if it happened there. *decay*: what else
    becomes of what was complete before. *words*: of units that it leaves torn or metastable, what
    their cells hold last, check bits above the data; ValueError where the operation cannot leave
    that.
    """

    operation: int
    outcome: Outcome
    taken: int = 0
    spoils_options: bool = False
    draw: int = 0
    place: int | None = None
    decay: Decay | None = None
    words: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.operation < 1:
            raise ValueError(f"operations are numbered from 1, not {self.operation}")

    @property
    def fired(self) -> bool:
        return self.taken >= self.operation

    def take(self, count: int) -> int:
        left = self.operation - 1 - self.taken
        if left < 0 or count <= left:
            self.taken += count
            return count
        self.taken += left + 1
        return left

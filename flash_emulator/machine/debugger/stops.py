"""Where a boot stands still, why, and how it is to go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum


class Signal(IntEnum):
    """gdb's numbers (include/gdb/signals.def)."""

    NONE = 0
    INTERRUPT = 2
    TRAP = 5
    ABORT = 6
    POWER = 32


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """*kind*: "write", "read" or "access"; *address* as gdb has it, *place* without aliases."""

    kind: str
    address: int
    place: int
    size: int

    def is_hit(self, address: int, size: int, *, is_write: bool) -> bool:
        """Whether an access touches it; *address* without aliases."""
        wanted = self.kind == "access" or (self.kind == "write") is is_write
        return wanted and address < self.place + self.size and self.place < address + size


@dataclass(frozen=True, slots=True)
class Stop:
    """*text* is for the user. *watchpoint*: the one that was hit; *at_breakpoint*; *edge*: "begin"
    or "end", where there is nothing to go back, or on, to."""

    signal: Signal = Signal.TRAP
    text: str = ""
    watchpoint: Watchpoint | None = None
    at_breakpoint: bool = False
    edge: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """How to go on.

    *to*: stop at that instruction of boot *boot*, or at its end where it is None. *breaks*:
    breakpoints and watchpoints count. *within*: stop as soon as an instruction lies elsewhere.
    *is_back*: go to the last of them before *to*. *drops_edits*: as the path was found.
    """

    boot: int
    to: int | None = None
    breaks: bool = False
    within: range | None = None
    is_back: bool = False
    drops_edits: bool = False
    stop: Stop = Stop()

    def at(self, number: int, stop: Stop) -> Resume:
        """Go to *number* and no further."""
        return replace(self, to=number, breaks=False, within=None, is_back=False, stop=stop)

"""Faults on order: what a ROM does instead of its duty, at the Nth time of a command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flash_emulator.an3155 import Command


class Deed(StrEnum):
    """What happens instead of the command, right after its code was understood; or beside it."""

    NACK = "nack"  # refused
    HANG = "hang"  # no answer, nor to anything else until a reset
    RESET = "reset"  # no answer; the ROM waits for its first byte again
    BUSY = "busy"  # a BUSY byte, then the command as usual
    SKIP = "skip"  # a Write or an Erase is ACKed and not done
    SPOIL = "spoil"  # a Read or a checksum answers with one bit wrong


@dataclass(frozen=True, slots=True)
class Fault:
    """*deed* at the *first*-th *command* (1 is the first), *times* times; None of *command*: any.

    *times* 0: from then on always.
    """

    deed: Deed
    command: Command | None
    first: int = 1
    times: int = 1

    def __post_init__(self) -> None:
        if self.first < 1 or self.times < 0:
            raise ValueError(f"commands are counted from 1, not {self.first}")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """``DEED:COMMAND[:N[+]]``: nack:write:3, hang:any:10, skip:write:1+ (+: and always after).

        Raises ValueError that says what is possible.
        """
        deed, _, rest = text.partition(":")
        name, _, number = rest.partition(":")
        names = {command.words: command for command in Command}
        if deed not in tuple(Deed):
            raise ValueError(f"{deed!r} is none of {', '.join(Deed)}")
        if name != "any" and name not in names:
            raise ValueError(f"{name!r} is none of any, {', '.join(names)}")
        count = number.removesuffix("+") or "1"
        if not count.isdecimal() or int(count) < 1:
            raise ValueError(f"{number!r} is no number from 1, nor one with +")
        times = 0 if number.endswith("+") else 1
        return cls(Deed(deed), names.get(name), int(count), times)

    def hits(self, number: int) -> bool:
        return number >= self.first and (not self.times or number < self.first + self.times)


class Faults:
    """Counts commands and says which fault is due. Counting goes on through resets."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self._counts: dict[Command | None, int] = {}

    def at(self, command: Command) -> Deed | None:
        """What to do at this command, which is counted."""
        for key in (command, None):
            self._counts[key] = self._counts.get(key, 0) + 1
        hits = (f.deed for f in self.faults if self._is_due(f, command))
        return next(hits, None)

    def _is_due(self, fault: Fault, command: Command) -> bool:
        if fault.command not in (None, command):
            return False
        return fault.hits(self._counts[fault.command])

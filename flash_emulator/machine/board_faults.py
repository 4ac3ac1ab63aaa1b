"""What is wrong with a board file: each fault with its line, its key, what was expected and what
was found; all that can be seen at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flash_emulator.machine.symbols import shown

_LONGEST = 60


@dataclass(frozen=True, slots=True)
class BoardFault:
    """One of them. *key*: ``images[2].address``, counted from 1; empty: the file as a whole."""

    line: int
    key: str
    what: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        text = f"line {self.line}: " if self.line else ""
        text += f"{self.key}: {self.what}" if self.key else self.what
        text += f"; expected {self.expected}" if self.expected else ""
        return text + (f", found {self.found}" if self.found else "")


class BadBoardFile(ValueError):
    """No board can be made of *path*."""

    def __init__(self, path: Path, faults: Iterable[BoardFault]) -> None:
        self.path, self.faults = path, tuple(sorted(faults, key=lambda fault: fault.line))
        super().__init__("\n".join(f"{path}: {fault}" for fault in self.faults))


def key_of(place: Sequence[str | int]) -> str:
    """``questions.reported[1].image``."""
    text = ""
    for step in place:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def short(value: object) -> str:
    """For a message; an address as one."""
    if type(value) is int and value >= 0x1000:
        return shown(value)
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

"""What an update tells whoever watches it. Values only; the command line renders them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Work(StrEnum):
    """What a Progress counts, in bytes."""

    DOWNLOAD = "download"
    PROGRAM = "program"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Booted:
    """A start of the MCU. *bank* is None when nothing could be run."""

    bank: str | None
    version: str
    mode: str
    cause: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """The updater's next step, and what it was derived from."""

    step: str
    active: str
    inactive: str
    module: str


@dataclass(frozen=True, slots=True)
class ModuleSaid:
    """An OTA event of the module, 10700 to 10708, with its arguments in words."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class ModuleTold:
    """What the module was told."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """*done* of *total* bytes; *total* is 0 where it is not known yet.

    PROGRAM: the slot up to *done* is written and verified, by this start or by one before.
    """

    work: Work
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class JournalWritten:
    """A new snapshot in the journal of bank *bank*."""

    bank: str
    phase: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Resumed:
    """An upgrade that a reset interrupted goes on: *sectors_done* need not be written again."""

    bank: str
    sectors_done: int
    piece_start: int


@dataclass(frozen=True, slots=True)
class SelfTested:
    """The trial image's own verdict."""

    passed: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong, and the updater carries on as the text says."""

    text: str


Event = (
    Booted
    | Decided
    | ModuleSaid
    | ModuleTold
    | Progress
    | JournalWritten
    | Resumed
    | SelfTested
    | Problem
)

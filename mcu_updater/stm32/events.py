"""What a flasher tells whoever watches it. Values only; the command line renders them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcu_updater.stm32.plan import FlashPlan


class Stage(StrEnum):
    """What Progress counts, in bytes."""

    COMPARE = "compare"
    ERASE = "erase"
    WRITE = "write"
    VERIFY = "verify"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Connected:
    """A boot ROM answers. *chip* is "" where nobody knows the PID."""

    baud: int
    rom_version: str
    pid: int
    chip: str
    uid: str


@dataclass(frozen=True, slots=True)
class Planned:
    plan: FlashPlan
    compared_by: str


@dataclass(frozen=True, slots=True)
class Progress:
    stage: Stage
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StubStarted:
    """The loader stub *name* runs in the chip's RAM, and is spoken to at *baud*."""

    name: str
    baud: int


@dataclass(frozen=True, slots=True)
class Verified:
    """*by*: checksum, read-back, or the stub's CRC. *trusted_size*: bytes that nobody looked at in
    this run: the cache says that they are there, and samples agreed."""

    size: int
    by: str
    trusted_size: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """The chip runs from *address*."""

    address: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong, and the flasher carries on as the text says."""

    text: str


FlasherEvent = Connected | Planned | Progress | StubStarted | Verified | Started | Problem

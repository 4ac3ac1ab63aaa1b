"""What a host asks of its line, one thing at a time; all of it plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol


class GaveUp(Exception):
    """The host ends this try: the device did not answer as it must."""


@dataclass(frozen=True, slots=True)
class Send:
    """*data* go to the device, one byte after the other. Answered with None at once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """*size* bytes; None: whatever there is, at least one. Answered with bytes; with fewer, or
    none, after *timeout_s*. None: it waits for ever."""

    size: int | None = 1
    timeout_s: float | None = 1.0


@dataclass(frozen=True, slots=True)
class Expect:
    """Bytes up to the end of the first that match *pattern*, a regular expression; a text is taken
    for bytes in Latin-1. Answered with ``Heard``, or None after *timeout_s*; what has come until
    then stays to be read. Raises re.error, UnicodeEncodeError."""

    pattern: bytes | str
    timeout_s: float | None = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", pattern_of(self.pattern))


@dataclass(frozen=True, slots=True)
class Wait:
    """Let *time_s* pass, from when all that was sent is out. Answered with None."""

    time_s: float


@dataclass(frozen=True, slots=True)
class Now:
    """Answered with the virtual time in seconds since power-on."""


@dataclass(frozen=True, slots=True)
class Drop:
    """What has come and was not read is dropped. Answered with the bytes."""


@dataclass(frozen=True, slots=True)
class Count:
    """Answered with how many bytes have come that were not read."""


@dataclass(frozen=True, slots=True)
class Heard:
    """*data*: all bytes up to the end of the match; *groups*: the match itself, and its groups."""

    data: bytes
    groups: tuple[bytes | None, ...]


def pattern_of(text: bytes | str) -> bytes:
    """A regular expression over bytes. Raises re.error, UnicodeEncodeError."""
    pattern = text.encode("latin-1") if isinstance(text, str) else text
    re.compile(pattern)
    return pattern


Request = Read | Expect | Wait | Now | Drop | Count
Answer = bytes | Heard | float | None


def timeout_of(request: Request) -> float | None:
    """Seconds until it is answered in any case; None: never."""
    match request:
        case Read(timeout_s=timeout_s) | Expect(timeout_s=timeout_s):
            return None if timeout_s is None else max(0.0, timeout_s)
        case Wait(time_s=time_s):
            return max(0.0, time_s)
        case _:
            return 0.0


def answer_of(request: Request, unread: bytearray, now_us: float) -> tuple[bool, Answer]:
    """Whether it can be answered now, and the answer, which is taken from *unread*."""
    match request:
        case Read(size=size):
            wanted = max(1, len(unread)) if size is None else size
            return (True, _taken(unread, wanted)) if len(unread) >= wanted else (False, None)
        case Expect(pattern=pattern):
            found = re.search(pattern_of(pattern), unread)
            if found is None:
                return False, None
            groups = found[0], *found.groups()
            return True, Heard(_taken(unread, found.end()), groups)
        case Now():
            return True, now_us / 1e6
        case Drop():
            return True, _taken(unread, len(unread))
        case Count():
            return True, float(len(unread))
        case Wait():
            return False, None


def late_answer_of(request: Request, unread: bytearray) -> Answer:
    """When its time is over."""
    return _taken(unread, len(unread)) if isinstance(request, Read) else None


def _taken(unread: bytearray, size: int) -> bytes:
    taken = bytes(unread[:size])
    del unread[:size]
    return taken


class Keeper(Protocol):
    """Tells all that a host goes on with, as plain values."""

    def memory(self) -> object:
        """All of it."""

    def kept(self) -> object:
        """What of it outlives a cut of the device's power."""

    def restore(self, kept: object) -> Request:
        """Go on from what another one has *kept*. Returns what it asks for then."""


class Asking(Protocol):
    """A host under way, as its session sees it."""

    def resume(self, answer: Answer) -> tuple[bytes, Request]:
        """Go on with the answer to the last request; the first time with None. Returns what it has
        sent since, and what it asks for next.

        Raises ``Ended`` when it has come to its end, in whatever way.
        """

    @property
    def keeper(self) -> Keeper | None:
        """Who tells what it goes on with; None: only the answers that it was given tell."""

    def close(self) -> None:
        """It is not asked any more."""


class Ended(Exception):
    """The host has come to its end. *sent*: what it has sent at last; *error*: what it raised."""

    def __init__(self, sent: bytes = b"", error: BaseException | None = None) -> None:
        self.sent, self.error = sent, error
        super().__init__("the host has come to its end")

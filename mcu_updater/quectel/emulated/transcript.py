r"""AT conversations as text: recorded, compared, played back.

One line of text is a few bytes of one direction, or a silence::

    # comment
    T AT+QIOTREG=1\r\n              the host says
    R \r\nOK\r\n                    the module says
    = 1                             nothing for 1 s
    R \r\n+QIOTEVT: 2,10200\r\n

Printable ASCII stands for itself; ``\r``, ``\n``, ``\\`` and ``\xNN`` for the rest, and for a blank
at the end. A direction's bytes are broken after a line feed that ends more than empty lines, and
at 192 bytes, wherever they were cut on the way: so the same conversation is always the same text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from mcu_updater.core.errors import LinkError
from mcu_updater.core.ports import BytePort, Clock

ROW_SIZE = 192  # bytes; 10701 with both digests fits
LEAST_SILENCE_S = 0.1  # shorter ones are how bytes come, not what is said


class Side(StrEnum):
    HOST = "T"
    MODULE = "R"


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes of one side, as many as come without the other side or a silence between them."""

    side: Side
    data: bytes


@dataclass(frozen=True, slots=True)
class Silence:
    duration_s: float


Entry = Said | Silence


class Conversation(Protocol):
    """What talks as a module does: an emulated one, or a playback."""

    def receive(self, data: bytes, now_s: float) -> None: ...

    def transmit(self) -> bytes: ...

    def next_deadline(self) -> float | None: ...

    def advance(self, now_s: float) -> None: ...

    @property
    def unplugged(self) -> bool: ...


# --- text ---------------------------------------------------------------------------------

_ROW = re.compile(rb"[\r\n]*[^\r\n][^\n]*\n")
_ESCAPED = re.compile(rb"[^\x20-\x7e]|\\")
_SHORT = {b"\r": b"\\r", b"\n": b"\\n", b"\\": b"\\\\"}
_ESCAPE = re.compile(rb"\\(?:([rn\\])|x([0-9A-Fa-f]{2}))|(\\)")
_LONG = {short[1:]: byte for byte, short in _SHORT.items()}


def escape(data: bytes) -> str:
    text = _ESCAPED.sub(_escaped, data)
    return (text[:-1] + b"\\x20" if text.endswith(b" ") else text).decode("ascii")


def _escaped(found: re.Match[bytes]) -> bytes:
    return _SHORT.get(found[0]) or b"\\x%02x" % found[0][0]


def unescape(text: str) -> bytes:
    """Raises ValueError for an escape that is none, and for a character that is not ASCII."""
    return _ESCAPE.sub(_unescaped, text.encode("ascii"))


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[3]:
        raise ValueError(f"{found.string[found.start() :][:4]!r} is no escape")
    return _LONG[found[1]] if found[1] else bytes([int(found[2], 16)])


def rows(data: bytes) -> list[bytes]:
    """*data* as it is broken into lines of text."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        row = _ROW.match(data, at, at + ROW_SIZE)
        found.append(data[at : at + ROW_SIZE] if row is None else row[0])
        at += len(found[-1])
    return found


def _is_whole(row: bytes) -> bool:
    """Whatever follows stands on the next line."""
    return len(row) == ROW_SIZE or _ROW.fullmatch(row) is not None


def format_transcript(entries: Iterable[Entry]) -> str:
    return "".join(f"{line}\n" for entry in joined(entries) for line in _lines(entry))


def _lines(entry: Entry) -> list[str]:
    if isinstance(entry, Silence):
        return [f"= {entry.duration_s:g}"]
    return [f"{entry.side} {escape(row)}" for row in rows(entry.data)]


def parse_transcript(text: str) -> list[Entry]:
    """Raises ValueError that names the line."""
    entries: list[Entry] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            entries.append(_entry(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return joined(entries)


def _entry(line: str) -> Entry:
    kind, blank, rest = line[:1], line[1:2], line[2:]
    if blank != " " or kind not in ("T", "R", "="):
        raise ValueError(f"expected T, R or = and a blank, found {line[:20]!r}")
    if kind != "=":
        return Said(Side(kind), unescape(rest))
    duration_s = float(rest)
    if not 0 < duration_s < float("inf"):
        raise ValueError(f"a silence cannot last {rest} s")
    return Silence(duration_s)


def joined(entries: Iterable[Entry]) -> list[Entry]:
    """Neighbours of the same kind as one."""
    result: list[Entry] = []
    for entry in entries:
        last = result[-1] if result else None
        match entry, last:
            case Said(side, data), Said(before, begun) if side is before:
                result[-1] = Said(side, begun + data)
            case Silence(duration_s), Silence(before_s):
                result[-1] = Silence(before_s + duration_s)
            case _:
                result.append(entry)
    return result


# --- recording ----------------------------------------------------------------------------


class Recorder:
    """Gives every line of the transcript to *write* as soon as it is whole.

    The bytes of one that is not whole wait, fewer than ``ROW_SIZE``; ``close`` writes them.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._side = Side.HOST
        self._pending = b""
        self._heard_s: float | None = None

    def said(self, side: Side, data: bytes, now_s: float) -> None:
        if not data:
            return
        silence_s = 0.0 if self._heard_s is None else now_s - self._heard_s
        self._heard_s = now_s
        if silence_s >= LEAST_SILENCE_S:
            self.close()
            self._write(f"= {round(silence_s, 3):g}\n")
        if side is not self._side:
            self.close()
            self._side = side
        *whole, last = rows(self._pending + data)
        self._pending = b"" if _is_whole(last) else last
        self._put([*whole, last] if _is_whole(last) else whole)

    def close(self) -> None:
        """Write what is left. More may be said afterwards, on a line of its own."""
        self._put(rows(self._pending))
        self._pending = b""

    def _put(self, whole: list[bytes]) -> None:
        for row in whole:
            self._write(f"{self._side} {escape(row)}\n")


class RecordedPort:
    """A BytePort that writes down all that passes."""

    def __init__(self, port: BytePort, clock: Clock, recorder: Recorder) -> None:
        self._port = port
        self._clock = clock
        self._recorder = recorder

    def write(self, data: bytes) -> None:
        self._recorder.said(Side.HOST, data, self._clock.now_s())
        self._port.write(data)

    def read(self, timeout_s: float) -> bytes:
        data = self._port.read(timeout_s)
        self._recorder.said(Side.MODULE, data, self._clock.now_s())
        return data


# --- playing ------------------------------------------------------------------------------


class TranscriptMismatch(LinkError):
    """The host says something else than in the transcript."""


@dataclass(slots=True)
class Playback:
    """The module's side of a transcript, for a host that must say exactly the other side.

    How long the host hesitates is its own affair; the module's silences are kept.
    """

    entries: list[Entry]
    now_s: float = 0.0
    _out: bytearray = field(default_factory=bytearray)
    _at: int = 0
    _taken: int = 0  # bytes of the host's entry at hand
    _due_s: float | None = None

    def __post_init__(self) -> None:
        following = (*self.entries[1:], None)
        self.entries = joined(
            entry
            for entry, then in zip(self.entries, following, strict=True)
            if not (
                isinstance(entry, Silence) and isinstance(then, Said) and then.side is Side.HOST
            )
        )

    @property
    def finished(self) -> bool:
        """All has been said and taken."""
        return self._at >= len(self.entries) and not self._out

    @property
    def unplugged(self) -> bool:
        """Never: who hears the last word may still listen for more."""
        return False

    def receive(self, data: bytes, now_s: float) -> None:
        """Raises TranscriptMismatch at the first byte that differs."""
        self.advance(now_s)  # a silence behind these bytes begins now
        while data:
            entry = self.entries[self._at] if self._at < len(self.entries) else None
            expected = b""
            if isinstance(entry, Said) and entry.side is Side.HOST:
                expected = entry.data[self._taken :]
            part = data[: len(expected)]
            if not part or not expected.startswith(part):
                raise self._mismatch(expected, data)
            data = data[len(part) :]
            self._taken += len(part)
            if part == expected:
                self._step()
                self.advance(now_s)

    def transmit(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def next_deadline(self) -> float | None:
        return self._due_s

    def advance(self, now_s: float) -> None:
        """Silences pass, the module speaks, until it is the host's turn."""
        moment_s, self.now_s = self.now_s, max(self.now_s, now_s)
        while self._at < len(self.entries):
            match self.entries[self._at]:
                case Silence(duration_s):
                    self._due_s = moment_s + duration_s if self._due_s is None else self._due_s
                    if self._due_s > now_s:
                        return
                    moment_s = self._due_s
                case Said(Side.MODULE, data):
                    self._out += data
                case _:
                    return
            self._step()

    def finish(self) -> None:
        """Nobody will say more. Raises TranscriptMismatch when there is something left to say."""
        if not self.finished:
            entry = self.entries[min(self._at, len(self.entries) - 1)]
            left = entry.data[self._taken :] if isinstance(entry, Said) else b""
            raise self._mismatch(left, b"")

    def _step(self) -> None:
        self._at, self._taken, self._due_s = self._at + 1, 0, None

    def _mismatch(self, expected: bytes, found: bytes) -> TranscriptMismatch:
        return TranscriptMismatch(
            "the host does not follow the transcript",
            where=f"entry {self._at + 1} of {len(self.entries)}",
            expected=escape(expected) or "nothing",
            found=escape(found) or "nothing",
        )


def play_host(entries: Iterable[Entry], module: Conversation, now_s: float = 0.0) -> list[Entry]:
    """Say the host's side to *module* and keep the silences. What was said, by both."""
    said: list[Entry] = []
    for entry in entries:
        match entry:
            case Silence(duration_s):
                now_s += duration_s
                said.append(entry)
                module.advance(now_s)
            case Said(Side.HOST, data):
                said.append(entry)
                module.receive(data, now_s)
        heard = module.transmit()
        if heard:
            said.append(Said(Side.MODULE, heard))
    return joined(said)

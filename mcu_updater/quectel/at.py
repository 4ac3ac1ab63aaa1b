"""AT grammar, both directions: bytes in, values out, however the bytes were cut.

Host side (what a module prints; QuecThing AT manual, field logs of the modem UART)::

    [AT+QIOTOTARD=0,1024\\r]              echo, when ATE1
    \\r\\n+QIOTOTARD: 0,1024\\r\\n          header of a counted answer
    <exactly 1024 raw bytes>             may hold \\r\\nOK\\r\\n or +QIOTEVT:
    \\r\\n\\r\\nOK\\r\\n                      final result
    \\r\\n+QIOTEVT: 7,10702\\r\\n           an event, between any two lines

Module side: ``AT+NAME``, ``AT+NAME?``, ``AT+NAME=?``, ``AT+NAME=1,"text"``, ended by
``\\r``, ``\\r\\n`` or ``\\n``. Integers are digits without a leading zero, strings are quoted,
and a quote ends a string only before ``,`` or the end (module SDK 2.9.0, AT line parser).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import Enum

MAX_LINE_SIZE = 2048  # bytes; ours: the longest documented line is a 512-byte version list
MAX_PAYLOAD_SIZE = 4096  # bytes; the largest read that Quectel's own MCU simulator offers

_LINE_END = re.compile(rb"[\r\n]")
_EMPTY_LINES = re.compile(rb"[\r\n]*")
_LF = 0x0A
_PAYLOAD_TAIL = b"\r\n\r\n"  # after the data and before the next line; after an LF header: LF
_ANSWER_END = _PAYLOAD_TAIL + b"OK\r\n"


# --- what the module prints -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Final:
    """The end of an answer: ``OK``, ``ERROR``, ``+CME ERROR: n`` or ``+CMS ERROR: n``."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """Any other line: an answer's text, an echo, a modem URC such as ``+QIND``, or noise."""

    text: str


@dataclass(frozen=True, slots=True)
class Payload:
    """``+QIOTOTARD: start,n`` and the n bytes that followed it.

    *clean* is False when the data do not end with the line ends that belong there: a byte was
    lost or added on the way, or the module has a style of its own.
    """

    start: int
    data: bytes
    clean: bool = True


@dataclass(frozen=True, slots=True)
class Urc:
    """``+QIOTEVT: type,code[,arguments]``. Type 0: a line that begins so but cannot be read."""

    type: int
    code: int
    arguments: str


Value = Final | Line | Payload | Urc

UNREADABLE_URC_TYPE = 0

_EVENT = re.compile(r"\+QIOTEVT:\s*(\d+)\s*,\s*(\d+)\s*(?:,(.*))?")
_READ_HEADER = re.compile(r"\+QIOTOTARD:\s*(\d{1,10})\s*,\s*(\d{1,10})")


def classify(text: str) -> Value:
    """What one stripped, non-empty line means by itself."""
    if text in ("OK", "ERROR") or text.startswith(("+CME ERROR", "+CMS ERROR")):
        return Final(text == "OK", text)
    if not text.startswith("+QIOTEVT"):
        return Line(text)
    event = _EVENT.fullmatch(text)
    if event is None:
        return Urc(UNREADABLE_URC_TYPE, 0, text)
    return Urc(int(event[1]), int(event[2]), event[3] or "")


@dataclass(frozen=True, slots=True)
class _Header:
    """A read header whose bytes are still to come; *end* is the byte that ended its line."""

    start: int
    size: int
    end: int


class ResponseParser:
    """Turns the module's bytes into values. Splitting the bytes elsewhere changes nothing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._header: _Header | None = None
        self._ends_cr = False  # the module was heard to end lines by CR LF

    def feed(self, data: bytes) -> list[Value]:
        self._buffer += data
        values: list[Value] = []
        while (taken := self._take()) is not None:
            values += taken
        del self._buffer[: self._at]
        self._at = 0
        return values

    def reset(self) -> None:
        """Forget a half-received line or payload: its answer has been given up."""
        self._buffer.clear()
        self._header = None

    def memory(self) -> Hashable:
        """The half-received line or payload."""
        return bytes(self._buffer), self._header, self._ends_cr

    def _take(self) -> list[Value] | None:
        """The values of the next line or payload; None when more bytes are needed."""
        header = self._header
        return self._take_line() if header is None else self._take_payload(header)

    def _take_line(self) -> list[Value] | None:
        empty = _EMPTY_LINES.match(self._buffer, self._at)
        self._at = self._at if empty is None else empty.end()
        limit = self._at + MAX_LINE_SIZE
        end = _LINE_END.search(self._buffer, self._at, limit)
        if end is None and len(self._buffer) < limit:
            return None
        stop = limit if end is None else end.start()
        text = self._buffer[self._at : stop].decode("latin-1").strip()
        self._at = stop if end is None else end.end()
        if end is not None:
            self._header = _read_header(text, end[0][0])
        return [classify(text)] if text and self._header is None else []

    def _take_payload(self, header: _Header) -> list[Value] | None:
        """Counts, and never looks inside; but looks at what follows.

        When the UART has lost a few bytes of the data, the count swallows as many of the line
        ends, and what stands there is no longer CR LF CR LF. A header may have lost its CR, too:
        after LF alone, an end with CR among what was counted is none.
        """
        first = self._at
        if header.end != _LF and self._buffer[first : first + 1] == b"\n":
            first += 1
        stop = first + header.size
        tail = b"\n" if header.end == _LF and not self._ends_cr else _PAYLOAD_TAIL
        if len(self._buffer) < stop + len(_PAYLOAD_TAIL):
            return None
        swallowed = self._swallowed(stop, header.size)
        clean = self._buffer.startswith(tail, stop) and not (tail == b"\n" and swallowed)
        self._ends_cr |= clean and tail == _PAYLOAD_TAIL
        self._header, self._at = None, stop if clean else stop - swallowed
        return [Payload(header.start, bytes(self._buffer[first:stop]), clean)]

    def _swallowed(self, stop: int, counted: int) -> int:
        """How much of the end of an answer the count took for data, because data were lost.

        Then the final result is told from what follows it, and nobody has to wait for another.
        Looks at what was *counted* and the bytes that a payload waits for, however they were cut.
        """
        for size in range(1, min(counted, len(_ANSWER_END)) + 1):
            first = stop - size
            last = min(stop + len(_PAYLOAD_TAIL), first + len(_ANSWER_END))
            if _ANSWER_END.startswith(self._buffer[first:last]):
                return size
        return 0


def _read_header(text: str, end: int) -> _Header | None:
    found = _READ_HEADER.fullmatch(text)
    if found is None or int(found[2]) > MAX_PAYLOAD_SIZE:
        return None
    return _Header(int(found[1]), int(found[2]), end)


# --- arguments --------------------------------------------------------------------------

_TOKEN = re.compile(r'\s*("(?:.*?)"|[^",]*)\s*(,|$)')


def split_arguments(text: str) -> list[str]:
    """Split at commas outside quotes; quotes stay on. Raises ValueError on an open quote."""
    tokens: list[str] = []
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"argument {len(tokens) + 1} of {text!r}: quotes do not match")
        tokens.append(found[1].strip())
        if not found[2]:
            return tokens
        at = found.end()


def unquote(token: str) -> str:
    """The token without its quotes; a bare token is returned as it is."""
    quoted = len(token) >= 2 and token[0] == token[-1] == '"'
    return token[1:-1] if quoted else token


def quote(argument: int | str) -> str:
    """The argument as it stands in a command. Raises ValueError for what cannot be sent."""
    if isinstance(argument, int):
        return str(argument)
    if not argument.isascii() or not all(c.isprintable() and c != '"' for c in argument):
        raise ValueError(f"{argument!r} holds a character that AT strings cannot carry")
    return f'"{argument}"'


# --- what the host sends ----------------------------------------------------------------


class Kind(Enum):
    EXEC = ""
    TEST = "=?"
    READ = "?"
    WRITE = "="


@dataclass(frozen=True, slots=True)
class Command:
    """One command line. *name* has no ``AT``: ``+QIOTREG``, ``E0``, or empty for ``AT``."""

    name: str
    kind: Kind
    arguments: tuple[int | str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no command; it is answered with ERROR."""

    text: str


_COMMAND = re.compile(r"(?:AT|at)(\+[A-Za-z0-9_]+|[A-Za-z][0-9]*|)(=\?|\?|=(?P<args>.+))?")
_ARGUMENT = re.compile(r'(?:"(?P<text>.*?)"|(?P<number>0|[1-9][0-9]{0,9}))(?:,|$)')
MAX_INTEGER = 0xFFFF_FFFF


class CommandParser:
    """Turns the host's bytes into commands, one per non-empty line.

    A line of more than *max_size* bytes is Malformed, and kept no longer than one byte past that.
    """

    def __init__(self, partial: bytes = b"", max_size: int = MAX_LINE_SIZE) -> None:
        self.partial = bytes(partial)  # an unfinished line: public, because it is saved
        self._max_size = max_size

    def feed(self, data: bytes) -> list[Command | Malformed]:
        *lines, partial = _LINE_END.split(self.partial + data)
        self.partial = partial[: self._max_size + 1]
        return [self._command(line) for line in lines if line]

    def _command(self, line: bytes) -> Command | Malformed:
        text = line[: self._max_size].decode("latin-1")
        return parse_command(text) if len(line) <= self._max_size else Malformed(text)


def parse_command(text: str) -> Command | Malformed:
    """One line without its end."""
    found = _COMMAND.fullmatch(text)
    if found is None:
        return Malformed(text)
    name, written = found[1].upper(), found["args"]
    if written is None:
        return Command(name, Kind(found[2] or ""), (), text)
    arguments = _parse_arguments(written)
    return Malformed(text) if arguments is None else Command(name, Kind.WRITE, arguments, text)


def _parse_arguments(written: str) -> tuple[int | str, ...] | None:
    """As strict as the SDK: no blank, no sign, no leading zero, no bare word, nothing missing."""
    arguments: list[int | str] = []
    at = 0
    while at < len(written):
        found = _ARGUMENT.match(written, at)
        if found is None:
            return None
        arguments.append(found["text"] if found["number"] is None else int(found["number"]))
        at = found.end()
    fits = all(isinstance(value, str) or value <= MAX_INTEGER for value in arguments)
    return tuple(arguments) if fits and not written.endswith(",") else None


# --- formatting -------------------------------------------------------------------------


def format_command(
    name: str, kind: Kind = Kind.EXEC, arguments: Iterable[int | str] = (), end: bytes = b"\r\n"
) -> bytes:
    """``AT+QIOTOTARD=0,1024\\r\\n`` from ``("+QIOTOTARD", Kind.WRITE, (0, 1024))``."""
    written = ",".join(quote(argument) for argument in arguments)
    return f"AT{name}{kind.value}{written}".encode("ascii") + end


def format_line(text: str) -> bytes:
    return b"\r\n" + text.encode("latin-1") + b"\r\n"


def format_lines(texts: Iterable[str]) -> bytes:
    """The lines of one answer: a single CRLF stands between two of them."""
    return b"".join(text.encode("latin-1") + b"\r\n" for text in ("", *texts))


def format_final(ok: bool) -> bytes:
    return b"\r\nOK\r\n" if ok else b"\r\nERROR\r\n"


def format_payload(start: int, data: bytes) -> bytes:
    """The counted answer up to, and without, the final result."""
    return b"\r\n+QIOTOTARD: %d,%d\r\n%b\r\n" % (start, len(data), data)


def answer_size(start: int, size: int) -> int:
    """Bytes of a whole answer to a read, without an echo."""
    return len(format_payload(start, b"")) - 1 + len(str(size)) + size + len(format_final(True))


def format_urc(event_type: int, code: int, arguments: str = "") -> bytes:
    tail = f",{arguments}" if arguments else ""
    return format_line(f"+QIOTEVT: {event_type},{code}{tail}")

"""``multipart/form-data`` (RFC 7578), part by part, as its bytes come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from mcu_updater.console.problems import Problem

if TYPE_CHECKING:  # there are none at run time
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 64
_MAX_HEADERS = 16


@dataclass(frozen=True, slots=True)
class Part:
    """*filename* is None for what is no file. *data* must be read before the next part is."""

    name: str
    filename: str | None
    data: Iterator[bytes]


def boundary_of(content_type: str) -> bytes:
    """Raises Problem where it names none, or one that cannot be."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:  # RFC 2046, 5.1.1
        raise Problem(400, "The form names no boundary of 1 to 70 characters")
    return boundary


def parts_of(boundary: bytes, chunks: Iterator[bytes]) -> Iterator[Part]:
    """Raises Problem where it is no such form, or ends too early."""
    reader = _Reader(boundary, chunks)
    count = 0
    while reader.has_part():
        count += 1
        if count > MAX_PARTS:
            raise Problem(413, f"The form has too many parts; expected {MAX_PARTS} at most")
        part = reader.part()
        yield part
        for _ in part.data:  # what nobody read
            continue


@dataclass(slots=True)
class _Reader:
    """What the parser has said, one thing after another; more bytes where it has said nothing."""

    boundary: bytes
    chunks: Iterator[bytes]
    said: deque[tuple[str, bytes]] = field(default_factory=deque)
    _parser: MultipartParser = field(init=False)

    def __post_init__(self) -> None:
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._saying("begin"),
            "on_header_field": self._saying_bytes("field"),
            "on_header_value": self._saying_bytes("value"),
            "on_header_end": self._saying("header"),
            "on_headers_finished": self._saying("headers"),
            "on_part_data": self._saying_bytes("data"),
            "on_part_end": self._saying("end"),
            "on_end": self._saying("over"),
        }
        self._parser = MultipartParser(self.boundary, callbacks, max_header_count=_MAX_HEADERS)

    def has_part(self) -> bool:
        return self._next()[0] == "begin"

    def part(self) -> Part:
        """Its headers; the data is still to come."""
        headers = dict(self._headers())
        kind, options = parse_options_header(headers.get("content-disposition", ""))
        if kind != b"form-data" or b"name" not in options:
            raise Problem(400, "A part of the form has no Content-Disposition with a name")
        filename = options.get(b"filename")
        return Part(
            options[b"name"].decode("utf-8", "replace"),
            None if filename is None else filename.decode("utf-8", "replace"),
            self._data(),
        )

    def _headers(self) -> Iterator[tuple[str, str]]:
        name, value = b"", b""
        while (said := self._next())[0] != "headers":
            match said:
                case "field", data:
                    name += data
                case "value", data:
                    value += data
                case "header", _:
                    yield name.decode("latin-1").lower(), value.decode("latin-1")
                    name, value = b"", b""

    def _data(self) -> Iterator[bytes]:
        while (said := self._next())[0] == "data":
            yield said[1]

    def _next(self) -> tuple[str, bytes]:
        while not self.said:
            chunk = next(self.chunks, None)
            if chunk is None:
                raise Problem(400, "The form ends too early: its last boundary is missing")
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise Problem(400, f"The body is no form: {error}") from error
        return self.said.popleft()

    def _saying(self, kind: str) -> Callable[[], None]:
        return lambda: self.said.append((kind, b""))

    def _saying_bytes(self, kind: str) -> Callable[[bytes, int, int], None]:
        return lambda data, start, end: self.said.append((kind, data[start:end]))

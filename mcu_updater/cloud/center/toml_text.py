"""The text of a center file, changed in one place: comments, order and form of the rest stay.

A file is cut into pieces at its table headers, so that only the piece that changes is taken apart
(by tomlkit). The root, where arrays of inline tables stand, is a piece as well.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*|[\[\]{}\n]",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """From one table header to the next. *table*: the first key of the header, "" for the root;
    *begins*: it is a new element of that array of tables, and not a table within one.

    *lead*: comments directly above the header. *tail*: blank lines and comments behind the rest.
    """

    table: str
    begins: bool
    lead: str
    body: str
    tail: str

    @property
    def text(self) -> str:
        return self.lead + self.body + self.tail


@dataclass(frozen=True, slots=True)
class _Header:
    start: int
    table: str
    begins: bool


class Document:
    """The pieces of a text that is good TOML."""

    def __init__(self, text: str) -> None:
        self._pieces = list(_pieces(text))

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self._pieces)

    @property
    def root(self) -> str:
        return self._pieces[0].body

    def set_root(self, text: str) -> None:
        self._pieces[0] = replace(self._pieces[0], body=text)

    def has(self, table: str) -> bool:
        return any(piece.table == table for piece in self._pieces)

    def element(self, table: str, index: int) -> str:
        """The element that is number *index* of the array *table*: header, keys, tables in it."""
        return "".join(_line_ended(self._pieces[at].body) for at in self._places(table)[index])

    def set_element(self, table: str, index: int, text: str) -> None:
        """What stood in several places, stands in the first of them then."""
        first, *others = self._places(table)[index]
        self._pieces[first] = replace(self._pieces[first], body=text)
        for at in reversed(others):
            self._remove(at)

    def add_element(self, table: str, text: str) -> None:
        """Behind the last of them, or at the end of the file."""
        places = self._places(table)
        at = places[-1][-1] if places else len(self._pieces) - 1
        piece = self._pieces[at]
        if not places:  # comments at the end of the file stay above what is new
            piece = replace(piece, body=piece.body + piece.tail, tail="")
        body = _line_ended(piece.body)
        gap = "\n" if body and not body.endswith("\n\n") else ""
        added = Piece(table, True, gap, _line_ended(text), piece.tail)
        self._pieces[at : at + 1] = [replace(piece, body=body, tail=""), added]

    def remove_element(self, table: str, index: int) -> None:
        """With the comments directly above it; others stay."""
        for at in reversed(self._places(table)[index]):
            self._remove(at)

    def _remove(self, at: int) -> None:
        gone = self._pieces.pop(at)
        before = self._pieces[at - 1]
        if not before.text:  # what stands at the top is of the whole file
            self._pieces[at - 1] = replace(before, tail=gone.lead + gone.tail)
        elif gone.tail.strip():
            is_apart = before.tail.endswith("\n\n") or before.tail == "\n"
            behind = gone.tail.removeprefix("\n") if is_apart else gone.tail
            self._pieces[at - 1] = replace(before, tail=before.tail + behind)
        elif at == len(self._pieces):  # the last one leaves no blank lines at the end
            self._pieces[at - 1] = replace(before, tail=before.tail.rstrip("\n"))

    def _places(self, table: str) -> list[list[int]]:
        """Of each element the pieces that it is made of."""
        found: list[list[int]] = []
        for at, piece in enumerate(self._pieces):
            if piece.table == table and piece.begins:
                found.append([at])
            elif piece.table == table:
                found[-1].append(at)
        return found


def _line_ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _pieces(text: str) -> Iterator[Piece]:
    comments, headers = _scan(text)
    starts = [_Header(0, "", False)]
    for header in headers:
        if header.begins or header.table != starts[-1].table:  # else: a table in the same element
            starts.append(header)
    leads = [0, *(_above(text, comments, header.start) for header in starts[1:]), len(text)]
    for header, lead, end in zip(starts, leads, leads[1:], strict=False):
        tail = max(header.start, _end_of_content(text, comments, end))
        yield Piece(
            header.table,
            header.begins,
            text[lead : header.start],
            text[header.start : tail],
            text[tail:end],
        )


def _scan(text: str) -> tuple[set[int], list[_Header]]:
    """Where the lines begin that are comments, and the headers; outside of texts and arrays."""
    comments: set[int] = set()
    headers: list[_Header] = []
    depth, line, header = 0, 0, -1
    for match in _TOKEN.finditer(text):
        mark, at = match[0], match.start()
        if mark == "\n":
            if header >= 0:
                headers.append(_Header(header, *_header(text[header:at].strip())))
            line, header = match.end(), -1
        elif mark[0] == "#":
            if not text[line:at].strip():
                comments.add(line)
        elif header >= 0 or mark[0] in "\"'":
            continue
        elif mark == "[" and depth == 0 and not text[line:at].strip():
            header = line
        else:
            depth += 1 if mark in "[{" else -1
    if header >= 0:
        headers.append(_Header(header, *_header(text[header:].strip())))
    return comments, headers


@lru_cache(maxsize=64)
def _header(line: str) -> tuple[str, bool]:
    """The first key of a header, and whether it is ``[[key]]``."""
    ((table, value),) = tomllib.loads(line).items()
    return table, isinstance(value, list)


def _above(text: str, comments: set[int], start: int) -> int:
    """Where the comments begin that stand directly above *start*."""
    while start > 0 and (line := text.rfind("\n", 0, start - 1) + 1) in comments:
        start = line
    return start


def _end_of_content(text: str, comments: set[int], end: int) -> int:
    """Before the blank lines and comments that stand before *end*."""
    while end > 0:
        line = text.rfind("\n", 0, end - 1) + 1
        if line not in comments and text[line:end].strip():
            break
        end = line
    return end

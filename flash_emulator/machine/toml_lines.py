"""Where in a TOML file each value stands: ``tomllib`` gives values and no lines."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

Place = tuple[str | int, ...]
"""Keys and indices, from the top of the file down to a value."""


class Lines:
    """The lines, from 1, of a file that ``tomllib`` can read."""

    def __init__(self, text: str) -> None:
        self._at: dict[Place, int] = {}
        self._counts: dict[Place, int] = {}
        above: Place = ()
        for number, statement in _statements(text):
            if statement.startswith("["):
                above = self._header(statement)
                self._at.setdefault(above, number)
                if isinstance(above[-1], int):
                    self._at.setdefault(above[:-1], number)
            else:
                for place in _places(tomllib.loads(statement)):
                    self._at.setdefault((*above, *place), number)

    def of(self, place: Sequence[str | int]) -> int:
        """The line of *place*, or of the nearest that is around it."""
        whole = tuple(place)
        for size in range(len(whole), 0, -1):
            if whole[:size] in self._at:
                return self._at[whole[:size]]
        return 1

    def _header(self, statement: str) -> Place:
        """``[[a.b]]`` is (a, b, n): b of the last a, where that is an array of tables, too."""
        *keys, (last, value) = list(_keys(tomllib.loads(statement)))
        place: Place = ()
        for key, _ in keys:
            place = self._inside((*place, key))
        place = (*place, last)
        if not isinstance(value, list):
            return place
        self._counts[place] = self._counts.get(place, -1) + 1
        return (*place, self._counts[place])

    def _inside(self, place: Place) -> Place:
        return (*place, self._counts[place]) if place in self._counts else place


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each assignment, as many lines as it needs, with its first line."""
    begin, lines = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not lines and (not line.strip() or line.lstrip().startswith("#")):
            continue
        begin = begin if lines else number
        lines.append(line)
        statement = "\n".join(lines)
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield begin, statement.lstrip()
        lines.clear()


def _keys(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of a header: the one key of each level."""
    while table:
        ((key, value),) = table.items()
        yield key, value
        table = value if isinstance(value, dict) else {}


def _places(value: Any, above: Place = ()) -> Iterator[Place]:
    if above:
        yield above
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _places(below, (*above, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _places(below, (*above, index))

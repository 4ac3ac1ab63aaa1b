"""Strict reading of a part file: every key is asked for, and what was not asked for is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from flash_emulator.parts.part_model import STANDINGS, Provenance

T = TypeVar("T")
Shape = Callable[[Any], T]
"""Turns what TOML gives into a value. Raises ValueError, whose text says what was expected."""


class PartError(ValueError):
    """A part that does not exist, or a part file that does not hold together."""

    def __init__(
        self,
        message: str = "",
        *,
        file: str = "",
        table: str = "",
        key: str = "",
        expected: str = "",
        found: str = "",
    ) -> None:
        self.file, self.table, self.key = file, table, key
        self.expected, self.found = expected, found
        super().__init__(message or self._text())

    def _text(self) -> str:
        place = " ".join(filter(None, (self.table and f"[{self.table}]", self.key)))
        places = filter(None, (self.file, place))
        return f"{': '.join(places)}: expected {self.expected}, found {self.found}"


class Table:
    """One table of a file. Keys are taken; ``done`` refuses the rest."""

    def __init__(self, data: Any, *, file: str, name: str, documents: Mapping[str, str]) -> None:
        self.file, self.name, self.documents = file, name, documents
        if not isinstance(data, Mapping):
            raise PartError(file=file, table=name, expected="a table", found=repr(data))
        self._data = dict(data)
        self._asked: set[str] = set()

    def has(self, key: str) -> bool:
        return key in self._data

    def take(self, key: str, shape: Shape[T]) -> T:
        """The value of *key*, which must be there."""
        self._asked.add(key)
        if key not in self._data:
            raise self.wrong(key, f"the key, {shape.__doc__}", "nothing")
        value = self._data.pop(key)
        try:
            return shape(value)
        except ValueError as error:
            raise self.wrong(key, str(error), _show(value)) from None

    def maybe(self, key: str, shape: Shape[T]) -> T | None:
        """The value of *key*, or None where it is absent: unknown."""
        self._asked.add(key)
        return self.take(key, shape) if key in self._data else None

    def table(self, key: str) -> Table:
        """The table below this one; an empty one where it is absent."""
        self._asked.add(key)
        name = f"{self.name}.{key}" if self.name else key
        data = self._data.pop(key, {})
        return Table(data, file=self.file, name=name, documents=self.documents)

    def tables(self, pattern: str = ".+") -> list[tuple[str, Table]]:
        """All tables whose name is of that pattern."""
        named = (key for key, value in self._data.items() if isinstance(value, Mapping))
        names = [key for key in named if re.fullmatch(pattern, key)]
        return [(key, self.table(key)) for key in names]

    def rows(self, key: str) -> list[Table]:
        """An array of tables."""
        self._asked.add(key)
        rows = self._data.pop(key, [])
        if not isinstance(rows, list):
            raise self.wrong(key, f"an array of tables, [[{key}]]", _show(rows))
        return [
            Table(row, file=self.file, name=f"{key} {index}", documents=self.documents)
            for index, row in enumerate(rows, 1)
        ]

    def provenance(self) -> Provenance:
        """Takes ``sources`` and the standings. A table with content needs a source."""
        if not self._data:
            return Provenance(self.name, ())
        sources = self.take("sources", source_keys)
        for key in sources:
            if key not in self.documents:
                raise self.wrong("sources", "a key that [documents] explains", repr(key))
        standings = {name: self.maybe(name, texts) or () for name in STANDINGS}
        for list_name, keys in standings.items():
            for key in keys:
                if key not in self._data:
                    raise self.wrong(list_name, f"keys of [{self.name}]", repr(key))
        return Provenance(self.name, sources, **standings)

    def done(self) -> None:
        """Nothing may be left: a misspelt key must not pass for an unknown fact."""
        for key, value in self._data.items():
            known = ", ".join(sorted(self._asked))
            raise self.wrong(key, f"one of {known}", f"{key} = {_show(value)}")

    def over(self, common: Table) -> Table:
        """This table's keys, and those of *common* that it does not have. Sources are taken."""
        self._data = {**common._data, **self._data}
        return self

    def wrong(self, key: str, expected: str, found: str) -> PartError:
        return PartError(file=self.file, table=self.name, key=key, expected=expected, found=found)


# --- shapes of values. Their docstrings end the sentence "expected the key, ..."


def text(value: Any) -> str:
    """a text"""
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def flag(value: Any) -> bool:
    """true or false"""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def count(value: Any) -> int:
    """a whole number from 0"""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number from 0")
    return value


def positive(value: Any) -> int:
    """a whole number from 1"""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a whole number from 1")
    return value


def address(value: Any) -> int:
    """an address of 32 bits"""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 32:
        raise ValueError("an address of 32 bits")
    return value


def bit(value: Any) -> int:
    """a bit from 0 to 31"""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 32:
        raise ValueError("a bit from 0 to 31")
    return value


def span_of_addresses(value: Any) -> range:
    """[first address, size in bytes]"""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("[first address, size in bytes]")
    first, size = address(value[0]), positive(value[1])
    return range(first, first + size)


def time_us(value: Any) -> float:
    """microseconds, more than 0"""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError("microseconds, more than 0")
    return value


def times_by_size(value: Any) -> dict[int, float]:
    """microseconds, or a table of sector size = microseconds"""
    if not isinstance(value, Mapping):
        return {0: time_us(value)}
    if not all(isinstance(size, str) and size.isdecimal() for size in value):
        raise ValueError("microseconds, or a table of sector size = microseconds")
    return {int(size): time_us(time) for size, time in value.items()}


def runs(value: Any) -> tuple[int, ...]:
    """[[count, size], ...]"""
    if not isinstance(value, list) or not value:
        raise ValueError("[[count, size], ...]")
    sizes: list[int] = []
    for run in value:
        if not isinstance(run, list) or len(run) != 2:
            raise ValueError("[[count, size], ...]")
        sizes += [positive(run[1])] * positive(run[0])
    return tuple(sizes)


def texts(value: Any) -> tuple[str, ...]:
    """a list of texts"""
    if not isinstance(value, list):
        raise ValueError("a list of texts")
    return tuple(text(item) for item in value)


def source_keys(value: Any) -> tuple[str, ...]:
    """a list of at least one source"""
    if not isinstance(value, list) or not value:
        raise ValueError("a list of at least one source")
    return texts(value)


def counts(value: Any) -> tuple[int, ...]:
    """a list of whole numbers"""
    if not isinstance(value, list) or not value:
        raise ValueError("a list of whole numbers")
    return tuple(count(item) for item in value)


def one_of(*allowed: str) -> Shape[str]:
    return _named(f"one of {', '.join(allowed)}", lambda value: _pick(value, allowed))


EnumT = TypeVar("EnumT", bound=StrEnum)


def member(enum: type[EnumT]) -> Shape[EnumT]:
    names = tuple(enum)
    return _named(f"one of {', '.join(names)}", lambda value: enum(_pick(value, names)))


def _named(doc: str, shape: Shape[T]) -> Shape[T]:
    shape.__doc__ = doc
    return shape


def _pick(value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"one of {', '.join(allowed)}")
    return str(value)


def _show(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."

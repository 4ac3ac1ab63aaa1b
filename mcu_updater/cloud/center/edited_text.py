"""The text of a center file with one product, package, plan or device changed, added or removed.

What comes out is read back before it is believed: the element must be what was asked for, and all
else what it was. Where a change key by key does not give that, the element is written anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from mcu_updater.cloud.center import toml_values
from mcu_updater.cloud.center.faults import BadCenterFile
from mcu_updater.cloud.center.json_form import TABLES, Json, Value, as_json, from_raw, name_of
from mcu_updater.cloud.center.load import expanded, names_of, raw_of
from mcu_updater.cloud.center.model import Device
from mcu_updater.cloud.center.toml_text import Document
from mcu_updater.core.errors import InternalError

_WRONG = (LookupError, TypeError, ValueError, AttributeError, AssertionError, BadCenterFile)

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """A good text, and what TOML makes of it."""

    text: str
    raw: Raw


class Edit:
    """*new* in place of *old* in what was *read*; None: nothing stands there, or shall."""

    def __init__(
        self, path: Path, read: Read, kind: type[Value], old: Value | None, new: Value | None
    ) -> None:
        self._path, self._raw, self._kind, self._old, self._new = path, read.raw, kind, old, new
        self._table = TABLES[kind]
        text = read.text
        self._uses_crlf = "\n" in text and text.count("\r\n") == text.count("\n")
        self._text = text.replace("\r\n", "\n") if self._uses_crlf else text

    def made(self) -> Read:
        """The new text. Raises InternalError where it does not mean what it shall: no text is
        known for which that is so."""
        for anew in (False, True):
            try:
                text = self._made(anew)
                raw = raw_of(self._path, text)
                if self._is_as_meant(raw):
                    return Read(text.replace("\n", "\r\n") if self._uses_crlf else text, raw)
            except _WRONG:
                continue
        raise InternalError(f"{self._path}: an edit of its {self._table} would damage it")

    def _made(self, anew: bool) -> str:
        text, old, new = self._text, self._old, self._new
        if old is None:
            assert new is not None
            elements = _elements(text, self._kind)
            elements.add(as_json(new))
            return elements.text
        text, index = self._apart(text, old)
        elements = _elements(text, self._kind)
        if new is None:
            elements.remove(index)
        elif anew:
            elements.renew(index, as_json(new))
        else:
            elements.change(index, as_json(old), as_json(new))
        return elements.text

    def _apart(self, text: str, value: Value) -> tuple[str, int]:
        """A text in which *value* has a table of its own, and that one's index."""
        raws = self._raw[self._table]
        index, names = _place(raws, value)
        if not names:
            return text, index
        raw, ordinal = raws[index], names.index(name_of(value))
        keeps = names[:ordinal] == names_of({**raw, "count": ordinal})
        head = ordinal if keeps else 0
        rest = {key: item for key, item in raw.items() if key != "count"}
        singles = [as_json(from_raw(Device, {**rest, "id": name})) for name in names[head:]]
        elements = _elements(text, self._kind)
        elements.split(index, head, singles)
        return elements.text, index + ordinal - head + (1 if head else 0)

    def _is_as_meant(self, made: Raw) -> bool:
        before, after = (expanded(self._path, raw) for raw in (self._raw, made))
        mine, others = self._table, (before.keys() | after.keys()) - {self._table}
        if any(before.get(table) != after.get(table) for table in others):
            return False
        expected: list[Any] = list(before.get(mine, []))
        found: list[Any] = after.get(mine, [])
        at = len(expected) if self._old is None else _place(expected, self._old)[0]
        if self._new is None:
            return expected[:at] + expected[at + 1 :] == found
        if at >= len(found) or not self._is_new(found[at]):
            return False
        return expected[:at] == found[:at] and expected[at + 1 :] == found[at + 1 :]

    def _is_new(self, raw: Any) -> bool:
        assert self._new is not None
        try:
            return as_json(from_raw(self._kind, raw)) == as_json(self._new)
        except ValidationError:
            return False


def _place(raws: Sequence[Any], value: Value) -> tuple[int, list[str]]:
    """The index of *value* among *raws*, and the names in its group where ``count`` makes it."""
    key = {"products": "key", "devices": "id"}.get(TABLES[type(value)], "name")
    name = name_of(value)
    for index, raw in enumerate(raws):
        if "count" not in raw:
            if raw[key] == name:
                return index, []
        elif name.startswith(raw["id"]) and name in (names := names_of(raw)):
            return index, names
    raise LookupError(name)


# --- the elements of one table, which has them with headers or in line


class _Elements(Protocol):
    def change(self, index: int, old: Json, new: Json) -> None: ...
    def renew(self, index: int, new: Json) -> None: ...
    def add(self, new: Json) -> None: ...
    def remove(self, index: int) -> None: ...
    def split(self, index: int, count: int, singles: Sequence[Json]) -> None:
        """Leave *count* of a group, and *singles* behind it."""

    @property
    def text(self) -> str: ...


def _elements(text: str, kind: type[Value]) -> _Elements:
    document = Document(text)
    in_root = raw_of(Path(), document.root)
    if in_root.get(TABLES[kind]):
        return _InLine(document, kind)
    if TABLES[kind] in in_root:
        root = toml_values.Parsed(document.root)
        root.document.remove(TABLES[kind])
        document.set_root(root.text)
    return _WithHeaders(document, kind)


class _WithHeaders:
    """``[[plans]]``"""

    def __init__(self, document: Document, kind: type[Value]) -> None:
        self._document, self._kind, self._table = document, kind, TABLES[kind]

    @property
    def text(self) -> str:
        return self._document.text

    def change(self, index: int, old: Json, new: Json) -> None:
        element = toml_values.Parsed(self._document.element(self._table, index))
        toml_values.change(element.document[self._table][0], old, new)
        self._document.set_element(self._table, index, element.text)

    def renew(self, index: int, new: Json) -> None:
        self._document.set_element(self._table, index, self._new(new))

    def add(self, new: Json) -> None:
        self._document.add_element(self._table, self._new(new))

    def remove(self, index: int) -> None:
        self._document.remove_element(self._table, index)
        if not self._document.has(self._table) and self._table == "products":
            root = toml_values.Parsed(self._document.root)
            root.document["products"] = []  # it must be there
            self._document.set_root(root.text)

    def split(self, index: int, count: int, singles: Sequence[Json]) -> None:
        texts = toml_values.alike(self._new(singles[0]), "id", [one["id"] for one in singles])
        if count:
            self.change(index, {"count": 0}, {"count": count})
            texts.insert(0, self._document.element(self._table, index))
        self._document.set_element(self._table, index, "\n".join(texts))

    def _new(self, value: Json) -> str:
        return toml_values.new_element(self._table, self._kind, value)


class _InLine:
    """``plans = [{ ... }, { ... }]``, with one at least."""

    def __init__(self, document: Document, kind: type[Value]) -> None:
        self._document, self._kind, self._table = document, kind, TABLES[kind]
        self._root = toml_values.Parsed(document.root)
        self._array = self._root.document[self._table]

    @property
    def text(self) -> str:
        self._document.set_root(self._root.text)
        return self._document.text

    def change(self, index: int, old: Json, new: Json) -> None:
        toml_values.change(self._array[index], old, new)

    def renew(self, index: int, new: Json) -> None:
        self._array[index] = self._new(new)

    def add(self, new: Json) -> None:
        self._array.append(self._new(new))

    def remove(self, index: int) -> None:
        del self._array[index]

    def split(self, index: int, count: int, singles: Sequence[Json]) -> None:
        if count:
            self.change(index, {"count": 0}, {"count": count})
            index += 1
        else:
            self.remove(index)
        for at, single in enumerate(singles, index):
            self._array.insert(at, self._new(single))

    def _new(self, value: Json) -> Any:
        return toml_values.inline_element(self._kind, value)

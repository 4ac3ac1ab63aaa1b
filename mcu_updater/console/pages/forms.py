"""Forms: what a person typed, field by field, and what is wrong with it.

A field is named as the value is in the center file, with dots between keys: ``strategy.retries``.
So a fault, which names its place, finds its field; and what was typed comes back, whatever it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcu_updater.cloud.center.faults import Fault, Place

Values = dict[str, list[str]]
Fields = Mapping[Place | str, str]
"""Fields by places in a value. What is wrong with two of its fields together has no place, but
what was expected."""


@dataclass
class Form:
    """*faults*: field (empty: of the whole) and text, in the order of the form."""

    values: Values
    labels: Mapping[str, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)

    def text(self, name: str) -> str:
        return next(iter(self.values.get(name, ())), "")

    def many(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def fault(self, name: str) -> str:
        return "; ".join(text for where, text in self.faults if where == name)

    def id(self, name: str) -> str:
        """For attributes ``id`` and ``for``, which hold no space."""
        return "f-" + re.sub(r"[^A-Za-z0-9.]", lambda found: f"_{ord(found[0]):x}", name)

    def label(self, name: str) -> str:
        """For people: of the field, or of the last key of its name."""
        return self.labels.get(name) or name.replace(".", " ")

    def blame(self, name: str, text: str) -> None:
        self.faults.append((name, text))

    def blame_all(self, faults: Iterable[Fault], fields: Fields) -> None:
        """*fields*: the field of each place. A fault within a place belongs to its field too."""
        for fault in faults:
            field = _field(fault, fields)
            self.blame(field, _sentence(fault, is_placed=bool(field)))


def _field(fault: Fault, fields: Fields) -> str:
    for size in range(len(fault.at), 0, -1):
        if fault.at[:size] in fields:
            return fields[fault.at[:size]]
    return "" if fault.at else fields.get(fault.expected, "")


_NONE = {
    ("components",): "name one component at least",
    ("files",): "choose one file at least",
    ("upgrades",): "choose a version package for one component at least",
}


def _sentence(fault: Fault, *, is_placed: bool) -> str:
    if fault.found == "[]" and fault.at in _NONE:
        return _NONE[fault.at]
    if not is_placed:
        return str(fault)
    expected = f"expected {fault.expected}" if fault.expected else ""
    what = "" if expected and fault.what == "cannot be" else fault.what
    text = "; ".join(part for part in (what, expected) if part)
    return text + (f", found {fault.found}" if fault.found else "")


def given(values: Mapping[str, Any], *names: str) -> Form:
    """A form that shows *values*: text, numbers, or lists of them."""
    found = {name: _texts(value) for name, value in values.items()}
    return Form({name: [] for name in names} | found)


def _texts(value: Any) -> list[str]:
    match value:
        case None | False | "":
            return []
        case list() | tuple():
            return [str(each) for each in value]
        case True:
            return ["on"]
        case _:
            return [str(value)]


def number(text: str) -> int | str:
    """A whole number where it is one; else what was typed, which the model then refuses."""
    stripped = text.strip()
    is_number = stripped.isascii() and stripped.lstrip("-+").isdigit() and len(stripped) < 18
    try:
        return int(stripped) if is_number else stripped
    except ValueError:
        return stripped


def words(text: str) -> list[str]:
    """Ids and versions, however people put them apart: by lines, spaces, commas, semicolons."""
    return re.split(r"[\s,;]+", text.strip()) if text.strip() else []

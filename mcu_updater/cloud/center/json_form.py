"""Products, packages, plans and devices as JSON, by the names that the center file has; revisions.

A revision stands for a value: who changes one says which it was, so that nobody undoes unseen what
another has changed meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from mcu_updater.cloud.center.faults import BadValue, Fault
from mcu_updater.cloud.center.form_faults import first_faults, short
from mcu_updater.cloud.center.model import Device, Product, UpgradePlan, VersionPackage

Value = Product | VersionPackage | UpgradePlan | Device
V = TypeVar("V", bound=Value)

Json = Mapping[str, Any]

TABLES: dict[type[Any], str] = {
    Product: "products",
    VersionPackage: "packages",
    UpgradePlan: "plans",
    Device: "devices",
}
"""The center file's, by what stands in them."""

_WORDS: dict[type[Any], str] = {
    Product: "product",
    VersionPackage: "package",
    UpgradePlan: "plan",
    Device: "device",
}
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in _WORDS}
_MOMENTS = ("begin", "end")
MOST_FAULTS = 100
"""Of one value that are told. Each takes a while to word: a long list of wrong items would take
minutes, and nobody reads more."""


def as_json(value: Value) -> dict[str, Any]:
    """All fields of *value*, defaults included; times as ISO 8601, what is not set as None."""
    found: dict[str, Any] = plain(value)
    return found


def from_json(kind: type[V], given: Any) -> V:
    """The value of that *kind* that *given* describes: what it does not name has its default.

    Raises BadValue with the faults, the first MOST_FAULTS at least, and the place of each.
    """
    word, more = _WORDS[kind], 0
    raw, faults = _with_moments(given)
    try:
        value = from_raw(kind, raw)
    except ValidationError as error:
        told = {fault.at for fault in faults}
        found, more = first_faults(raw, error, MOST_FAULTS)
        faults += [_within(word, fault) for fault in found if fault.at not in told]
    if faults:
        raise BadValue(word, faults, more)
    return value


def from_raw(kind: type[V], raw: Any) -> V:
    """The same of what TOML has. Raises pydantic's ValidationError."""
    value: V = _ADAPTERS[kind].validate_python(raw)
    return value


def revision_of(value: Value) -> str:
    """16 hex digits: equal values have one revision, and other values another."""
    text = json.dumps([_WORDS[type(value)], as_json(value)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def name_of(value: Value) -> str:
    """What a value is called by: unique among those of its kind."""
    match value:
        case Product():
            return value.key
        case Device():
            return value.id
        case _:
            return value.name


def word_of(kind: type[Value]) -> str:
    """``plan``, as messages name it."""
    return _WORDS[kind]


def plain(value: Any) -> Any:
    """What is in a value, as JSON."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    match value:
        case Enum():
            return value.value
        case PurePath():
            return value.as_posix()
        case datetime():
            return value.isoformat()
        case tuple():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case _:
            return value


def _with_moments(given: Any) -> tuple[Any, list[Fault]]:
    """*given* with times where JSON has texts, and what is wrong with those."""
    if not isinstance(given, Mapping):
        return given, []
    raw, faults = {str(key): value for key, value in given.items()}, []
    for name in _MOMENTS:
        if isinstance(raw.get(name), str):
            moment = _moment(raw[name])
            if moment is None:
                expected = "a date with its time, such as 2026-03-02T08:00:00"
                faults.append(Fault(name, "cannot be", expected, short(raw[name]), (name,)))
            raw[name] = moment
    return raw, faults


def _moment(text: str) -> datetime | None:
    """None: it is no time, or one that a center file cannot hold."""
    try:
        moment = datetime.fromisoformat(text)
        if len(text) < len("2026-03-02T08"):
            return None
        offset = moment.utcoffset()
        return moment.astimezone(UTC) if offset and offset.total_seconds() % 60 else moment
    except (ValueError, OverflowError):
        return None


def _within(word: str, fault: Fault) -> Fault:
    where = word if not fault.at else fault.where
    return Fault(where, fault.what, fault.expected, fault.found, fault.at)

"""A board file as text, of its values. What it holds is read back equal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from flash_emulator.machine.board_model import BoardTable
from flash_emulator.machine.symbols import shown

_AS_ADDRESSES = ("address", "runs_at", "untouched", "protected", "ram", "stack_floor", "words")


def text_of(table: BoardTable) -> str:
    """TOML, without what is as it would be anyway."""
    return "\n".join(_lines(_plain(table), "")).lstrip("\n") + "\n"


def _plain(value: Any) -> Any:
    """Dictionaries, lists and plain values."""
    if hasattr(value, "__dataclass_fields__"):
        given = {name: getattr(value, name) for name in value.__dataclass_fields__}
        default = _defaults(type(value))
        return {
            name: _plain(each)
            for name, each in given.items()
            if name not in default or each != default[name]
        }
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _defaults(kind: Any) -> dict[str, Any]:
    """Of the fields that have one."""
    found = {}
    for field in fields(kind):
        if field.default is not MISSING:
            found[field.name] = field.default
        elif field.default_factory is not MISSING:
            found[field.name] = field.default_factory()
    return found


def _lines(table: Mapping[str, Any], above: str) -> Iterator[str]:
    """Values first, then the tables below, as TOML needs them."""
    below = {key: value for key, value in table.items() if _is_table(value)}
    for key, value in table.items():
        if key not in below:
            yield f"{_key(key)} = {_value(value, key in _AS_ADDRESSES)}"
    for key, value in below.items():
        name = f"{above}{_key(key)}"
        for each in value if isinstance(value, list) else [value]:
            yield ""
            yield f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
            yield from _lines(each, f"{name}.")


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
    )


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else quoted(text)


def _value(value: Any, is_address: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return address_of(value) if is_address and value > 9 else str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(each, is_address) for each in value)}]"
    return repr(value)


def address_of(value: int) -> str:
    """``0x0800_8000``."""
    return shown(value) if value > 0xFFFF else f"0x{value:X}"


def quoted(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

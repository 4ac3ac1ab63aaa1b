"""A value in TOML: changed key by key, so that what did not change stays as somebody wrote it; or
written anew, defaults left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mcu_updater.cloud.center.json_form import Json, Value, plain
from mcu_updater.cloud.center.model import Component, Strategy, Upgrade
from mcu_updater.core.errors import PortError

if TYPE_CHECKING:
    from tomlkit.items import Array

_MOST_CHANGES = 10  # of an array's items one by one; it costs tomlkit the whole array each time
_WIDTH = 100  # an array that is longer has a line for each item
_MOMENTS = ("begin", "end")
_LISTS_OF_TABLES = {"components": Component, "upgrades": Upgrade}
_IDS = {"components": "id", "upgrades": "component"}


def tomlkit() -> Any:
    """The library. Raises PortError where the extra is not installed."""
    try:
        return import_module("tomlkit")
    except ImportError as error:
        raise PortError(
            "tomlkit is not installed, which edits center files",
            then="pip install 'mcu-updater[console]'",
        ) from error


def sparse(kind: type[Any], value: Json) -> dict[str, Any]:
    """*value* without what has its default, as a file says it."""
    found: dict[str, Any] = {}
    for name, default in _defaults(kind).items():
        item = value[name]
        if item == default:
            continue
        if name in _LISTS_OF_TABLES:
            item = [sparse(_LISTS_OF_TABLES[name], one) for one in item]
        elif name == "strategy":
            item = sparse(Strategy, item)
        found[name] = item
    return found


def _defaults(kind: type[Any]) -> dict[str, Any]:
    """In JSON, by field; of those that have none something that equals nothing."""
    known = kind.__pydantic_fields__.items()
    return {name: plain(field.get_default(call_default_factory=True)) for name, field in known}


def new_element(table: str, kind: type[Value], value: Json) -> str:
    """``[[plans]]`` and its keys."""
    kit = tomlkit()
    document, array = kit.document(), kit.aot()
    array.append(_filled(kit.table(), sparse(kind, value)))
    document.append(table, array)
    text: str = kit.dumps(document)
    return text


class Parsed:
    """*document* may be changed; *text* is then its text."""

    def __init__(self, text: str) -> None:
        self.document: Any = tomlkit().parse(text)

    @property
    def text(self) -> str:
        made: str = tomlkit().dumps(self.document)
        return made


def alike(text: str, key: str, names: Sequence[str]) -> list[str]:
    """*text* of one element for each of *names*, which stand in *key*."""
    there = Parsed(text).document
    (array,) = there.values()
    value = array[0][key].as_string()
    before, after = text.split(f"{key} = {value}", 1)
    return [f"{before}{key} = {tomlkit().item(name).as_string()}{after}" for name in names]


def inline_element(kind: type[Value], value: Json) -> Any:
    """``{ ... }``, for an array of inline tables."""
    return _inline(sparse(kind, value))


def change(table: Any, old: Json, new: Json) -> None:
    """What makes *table*, which is *old*, *new*; both in JSON, with all of their keys."""
    for key, value in new.items():
        if key in old and old[key] == value:
            continue
        if value is None:
            table.remove(key)
        elif key not in table:
            _add(table, key, value)
        elif not _changed_within(key, table[key], old.get(key), value):
            table[key] = _anew(key, table[key], value)
    for key in old.keys() - new.keys():
        table.remove(key)


def _add(table: Any, key: str, value: Any) -> None:
    """As far to the right as the keys that are there."""
    indents = [there.trivia.indent for there in table.values() if _has_line(there)]
    table[key] = _item(key, value)
    if isinstance(table, tomlkit().items.Table) and indents:
        table.value.item(key).trivia.indent = indents[-1]


def _has_line(item: Any) -> bool:
    kit = tomlkit().items
    return isinstance(item, kit.Item) and not isinstance(item, kit.AoT | kit.Table)


def _anew(key: str, there: Any, value: Any) -> Any:
    """*value*, in lines where what is *there* is."""
    if key in _IDS:
        return _array([_inline(sparse(_LISTS_OF_TABLES[key], one)) for one in value])
    if isinstance(value, list):
        in_lines = bool(value) and "\n" in there.as_string()
        return _array([_item("", one) for one in value], in_lines=in_lines)
    return _item(key, value)


def _changed_within(key: str, there: Any, old: Any, new: Any) -> bool:
    """Whether it could be changed piece by piece."""
    if isinstance(new, dict):
        change(there, old, new)
        return True
    if key in _IDS:
        return _changed_tables(there, old, new, _IDS[key], _LISTS_OF_TABLES[key])
    if isinstance(new, list) and key != "push_hours":
        return _changed_names(there, old, new)
    return False


def _changed_tables(
    there: Any, old: Sequence[Json], new: Sequence[Json], key: str, kind: type[Any]
) -> bool:
    """Items are known by *key*: those that are gone are removed, new ones come behind the rest."""
    before = [item[key] for item in old]
    after = [item[key] for item in new]
    kept = [name for name in before if name in after]
    if after[: len(kept)] != kept or len(set(after)) < len(after) or not kept:
        return False
    for at in reversed(range(len(before))):
        if before[at] not in after:
            del there[at]
    for at, name in enumerate(kept):
        change(there[at], old[before.index(name)], new[at])
    for item in new[len(kept) :]:
        there.append(_inner(there, sparse(kind, item)))
    return True


def _inner(there: Any, value: Json) -> Any:
    """A table as the others in *there* are: with a header, or in line."""
    kit = tomlkit()
    return _filled(kit.table(), value) if isinstance(there, kit.items.AoT) else _inline(value)


def _changed_names(there: Array, old: Sequence[str], new: Sequence[str]) -> bool:
    wanted = set(new)
    gone = [at for at, name in enumerate(old) if name not in wanted]
    kept = [name for name in old if name in wanted]
    added = new[len(kept) :]
    is_small = len(gone) + len(added) <= _MOST_CHANGES and kept
    if not is_small or list(new[: len(kept)]) != kept or len(wanted) < len(new):
        return False
    for at in reversed(gone):
        del there[at]
    for name in added:
        there.append(name)
    return True


def _filled(table: Any, value: Json) -> Any:
    for key, item in value.items():
        table.append(key, _item(key, item))
    return table


def _inline(value: Json) -> Any:
    """``{ key = 1 }``, with spaces."""
    kit = tomlkit()
    pairs = (f"{kit.key(k).as_string()} = {_item(k, v).as_string()}" for k, v in value.items())
    return kit.value(f"{{ {', '.join(pairs)} }}" if value else "{}")


def _item(key: str, value: Any) -> Any:
    kit = tomlkit()
    if key in _MOMENTS and isinstance(value, str):
        return kit.item(datetime.fromisoformat(value))
    if isinstance(value, dict):
        return _inline(value)
    if isinstance(value, list):
        return _array([_item("", one) for one in value])
    return kit.item(value)


def _array(items: list[Any], *, in_lines: bool = False) -> Array:
    """Made of text, for tomlkit looks at the whole array for each item that it adds."""
    texts = [item.as_string() for item in items]
    if in_lines or sum(len(text) + 2 for text in texts) > _WIDTH:
        text = "".join(f"    {text},\n" for text in texts)
        array: Array = tomlkit().value(f"[\n{text}]")
    else:
        array = tomlkit().value(f"[{', '.join(texts)}]")
    return array

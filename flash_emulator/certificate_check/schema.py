"""What a line may hold: these fields, in this order, of these types, written in one way only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from flash_emulator import MetastableMode, Outcome
from flash_emulator.certificate_check.container import NotACertificate

FORMAT, VERSION = "flash power-loss certificate", 4

OUTCOMES = {
    "b": Outcome.BEFORE,
    "t": Outcome.TORN,
    "m": Outcome.METASTABLE,
    "k": Outcome.BLANK,
    "w": Outcome.WEAK,
    "a": Outcome.AFTER,
}

FORMULAS = {
    "state": "blake2b-128(flash.state_digest() + rest.digest)",
    "start": "blake2b-136(state + reading as in a path, such as !d or !1f20+1f21)",
    "point": "blake2b-136(flash.state_digest() + boot.volatile() + "
    "repr((memory, *flash.boot_state())))",
    "signature": "blake2b-128 of, for each operation, '{kind} {address:x} {len(data)} ' + data",
}

MADE_OF = {
    "tool": ("name", "sources"),
    "part": ("name", "values", "file"),
    "subject": ("name", "sources"),
    "start": ("seed", "cells", "device", "rest"),
}

_READS = r"(?:[fdt]|(?:[1-9a-f][0-9a-f]+|0[0-9a-f])(?:\+(?:[1-9a-f][0-9a-f]+|0[0-9a-f]))*)"
_WORDS = r"[0-9a-f]+-[0-9a-f]+(?:\+[0-9a-f]+-[0-9a-f]+)*"
_OPERATION = rf"([1-9]\d*)([btmkwa])([1-9]\d*)?(?:=({_WORDS}))?"
CUT = re.compile(rf"(?:{_OPERATION}|@([1-9]\d*)|(z))(?:~([^\s.!~]+))?(?:!({_READS}))?")
"""Operation, outcome, draw, words; moment; at rest; way; reads."""

Check = Callable[[Any], bool]


def parsed(line: bytes, number: int) -> dict[str, Any]:
    """The one object that the line holds. Raises NotACertificate."""
    try:
        entry = json.loads(line, object_pairs_hook=_once)
        again = json.dumps(entry, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise NotACertificate(f"line {number}: what is packed in it is no JSON text") from error
    if not isinstance(entry, dict):
        raise NotACertificate(f"line {number}: expected an object")
    if again != line:
        raise NotACertificate(f"line {number}: not in the one way that JSON is written here")
    return entry


class _Twice(ValueError):
    """A field stands twice in an object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) < len(pairs):
        raise _Twice
    return entry


def check(entry: Mapping[str, Any], fields: Mapping[str, Check], where: str) -> None:
    """Raises NotACertificate unless *entry* has these fields, in this order, and no other."""
    for name in fields:
        if name not in entry:
            raise NotACertificate(f"{where}: {name!r} is missing")
    for name, of_type in fields.items():
        if not of_type(entry[name]):
            raise NotACertificate(f"{where}: {name!r} cannot be {_short(entry[name])}")
    if more := [name for name in entry if name not in fields]:
        raise NotACertificate(f"{where}: {more[0]!r} does not belong there")
    if list(entry) != list(fields):
        raise NotACertificate(f"{where}: its fields stand in another order")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- types


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_hex(size: int) -> Check:
    pattern = re.compile(f"[0-9a-f]{{{2 * size}}}")
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(is_text(each) for each in value.values())


def _is_made_of(value: Any) -> bool:
    """By names that are known; ``given`` is the subject's own."""
    if not isinstance(value, dict) or list(value) != ["tool", "part", "subject", "given", "start"]:
        return False
    named = all(_is_texts(each) for each in value.values())
    return named and all(tuple(value[name]) == names for name, names in MADE_OF.items())


def _is_outcomes(value: Any) -> bool:
    """In the order of the enumeration, at least one."""
    return (
        isinstance(value, dict)
        and list(value.items())
        == [(code, outcome) for code, outcome in OUTCOMES.items() if code in value]
        != []
    )


def _is_readings(value: Any) -> bool:
    """In the order of the enumeration."""
    return isinstance(value, list) and value == [each for each in MetastableMode if each in value]


def _is_path(value: Any) -> bool:
    return is_text(value) and (value == "-" or all(is_cut(each) for each in value.split(".")))


def is_cut(text: str) -> bool:
    """Whether this is a cut in the one way that it can be written."""
    found = CUT.fullmatch(text)
    if found is None:
        return False
    words = words_of(found[4])
    if found[4] and found[4] != "+".join(f"{u:02x}-{w:02x}" for u, w in sorted(words.items())):
        return False
    read_choice = found[8] or ""
    return read_choice in ("", "f", "d", "t") or _is_ascending(
        int(u, 16) for u in read_choice.split("+")
    )


def words_of(text: str | None) -> dict[int, int]:
    """Cells that a cut leaves, by unit."""
    pairs = (each.split("-") for each in (text or "").split("+") if each)
    return {int(unit, 16): int(word, 16) for unit, word in pairs}


def _is_ascending(numbers: Iterable[int]) -> bool:
    return all(one < other for one, other in pairwise(numbers))


def _is_flips(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_count, value)) and _is_ascending(value)


def _is_spans(value: Any) -> bool:
    """Ascending ranges that do not touch."""
    if not isinstance(value, list) or not all(map(_is_pair, value)):
        return False
    ends = [end for span in value for end in span]
    return all(map(is_count, ends)) and _is_ascending(ends)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _is_excluded(value: Any) -> bool:
    if not isinstance(value, list) or not all(map(_is_pair, value)):
        return False
    units = [unit for unit, _ in value]
    ordered = all(map(is_count, units)) and _is_ascending(units)
    return ordered and all(map(_is_slices, (slices for _, slices in value)))


def _is_slices(value: Any) -> bool:
    if not isinstance(value, list) or not value or not all(map(_is_pair, value)):
        return False
    right = all(is_count(begin) and is_text(data) and _is_bytes(data) for begin, data in value)
    return right and value == sorted(value) and len({tuple(each) for each in value}) == len(value)


def _is_bytes(text: str) -> bool:
    return re.fullmatch(r"(?:[0-9a-f]{2})+", text) is not None


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _is_violation(value: Any) -> bool:
    return value is None or (_is_pair(value) and all(map(is_text, value)))


def _is_edges(value: Any) -> bool:
    """By keys in their order, cuts in that of their text; none of them stands twice."""
    if not _is_texts(value) or not all(map(_KEY, value)) or list(value) != sorted(value):
        return False
    cuts = [text.split(" ") for text in value.values()]
    names = [cut.removeprefix("*") for each in cuts for cut in each]
    ordered = all(each == sorted(each) for each in cuts)
    return ordered and all(map(is_cut, names)) and len(set(names)) == len(names)


_KEY, _NODE, _CHAIN = is_hex(16), is_hex(17), is_hex(32)

HEADER: dict[str, Check] = {
    "format": FORMAT.__eq__,
    "version": lambda value: type(value) is int and value == VERSION,
    "world": _is_texts,
    "made_of": _is_made_of,
    "outcomes": _is_outcomes,
    "readings": _is_readings,
    "draws": lambda value: is_count(value) and value > 0,
    "erased_values": is_bool,
    "operations": is_count,
    "merge": is_bool,
    "representatives": is_bool,
    "opsr": is_bool,
    "formulas": lambda value: value == FORMULAS and list(value) == list(FORMULAS),
    "chain": _CHAIN,
}

BOOT: dict[str, Check] = {
    "state": _KEY,
    "path": _is_path,
    "reading": lambda value: value in tuple(MetastableMode),
    "flips": _is_flips,
    "unknown": _is_spans,
    "excluded": _is_excluded,
    "segments": _is_objects,
    "chain": _CHAIN,
}

SEGMENT: dict[str, Check] = {
    "node": _NODE,
    "operations": is_count,
    "signature": _KEY,
    "next": lambda value: value is None or _NODE(value),
    "end": is_text,
    "violation": _is_violation,
    "edges": _is_edges,
}

TOTALS: dict[str, Check] = {
    "complete": is_bool,
    "stopped_by": is_text,
    "states": is_count,
    "boots": is_count,
    "edges": is_count,
    "violations": is_count,
    "compared": _is_excluded,
    "chain": _CHAIN,
}

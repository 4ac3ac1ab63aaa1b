"""Faults of form, in words of our own: a value of another type, too long, not one of these.

What checks values (pydantic) says what is wrong by a code and its numbers; the words are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mcu_updater.cloud.center.faults import Fault, Place

_FOUND_SIZE = 60  # characters of a value in a message

_PATTERNS = {
    r"^[A-Za-z0-9_.\-]{1,64}$": "1 to 64 letters, digits, and characters of _ . -",
    r"^[!-~]{1,64}$": "1 to 64 printable ASCII characters without space",
}

_A_TEXT, _A_TABLE = "a text", "a table"


def _of_type(text: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda _: text


_EXPECTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": _of_type(_A_TEXT),
    "string_unicode": _of_type("a text that UTF-8 can hold"),
    "string_too_short": lambda context: _text_of("at least", context["min_length"]),
    "string_too_long": lambda context: _text_of("at most", context["max_length"]),
    "string_pattern_mismatch": lambda context: _PATTERNS[context["pattern"]],
    "path_type": _of_type("the name of a file"),
    "int_type": _of_type("an integer"),
    "int_parsing_size": _of_type("a number of fewer digits"),
    "greater_than_equal": lambda context: f"a number of at least {context['ge']}",
    "less_than_equal": lambda context: f"a number of at most {context['le']}",
    "bool_type": _of_type("true or false"),
    "datetime_type": _of_type("a date with its time, such as 2026-03-02T08:00:00"),
    "enum": lambda context: context["expected"],
    "tuple_type": _of_type("a list"),
    "too_short": lambda context: _list_of("at least", context["min_length"]),
    "too_long": lambda context: _list_of("at most", context["max_length"]),
    "dict_type": _of_type(_A_TABLE),
    "dataclass_type": _of_type(_A_TABLE),
    "value_error": lambda context: str(context["error"]),
}


def form_faults(raw: Any, error: ValidationError) -> list[Fault]:
    """All of *error*, which the value *raw* met."""
    return [_fault(raw, detail) for detail in _details(error)]


def first_faults(raw: Any, error: ValidationError, most: int) -> tuple[list[Fault], int]:
    """The first *most* of them, and how many there are besides: a list may be wrong as a whole."""
    details = _details(error)
    return [_fault(raw, detail) for detail in details[:most]], max(0, len(details) - most)


def _details(error: ValidationError) -> list[ErrorDetails]:
    return [detail for detail in error.errors(include_url=False) if not _is_an_echo(detail)]


def _is_an_echo(detail: ErrorDetails) -> bool:
    """A list counts as too short where an item of it is wrong, and that is told already."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _fault(raw: Any, detail: ErrorDetails) -> Fault:
    location = tuple(_step(step) for step in detail["loc"] if step != "[key]")
    where = printable(place_text(raw, location))
    found = short(detail["input"])
    match detail["type"]:
        case "missing":
            return Fault(where, "is missing", at=location)
        case "unexpected_keyword_argument":
            return Fault(where, "is not known here", found=found, at=location)
        case "value_error" if isinstance(detail["input"], Mapping):  # a rule of several fields
            found = ""
    expected = _EXPECTED.get(detail["type"], _of_type("another value"))(detail.get("ctx", {}))
    return Fault(where, "cannot be", expected, found, location)


def _step(step: int | str) -> int | str:
    return printable(step) if isinstance(step, str) else step


def _text_of(bound: str, count: int) -> str:
    return f"a text of {bound} {count} character{'s' if count > 1 else ''}"


def _list_of(bound: str, count: int) -> str:
    return f"a list of {bound} {count} item{'s' if count > 1 else ''}"


def place_text(raw: Any, location: Place) -> str:
    """``plans[2] "spring", strategy.retries``: counted from 1, with the name where there is one."""
    return "".join(_steps(raw, location)) or "file"


def _steps(value: Any, location: Place) -> Iterator[str]:
    last = ""
    for step in location:
        value = _inside(value, step)
        if isinstance(step, int):
            text = f"[{step + 1}]{_name_of(value)}"
        else:
            separator = "" if not last else ", " if last.endswith(("]", '"')) else "."
            text = f"{separator}{step}"
        yield text
        last = text


def _inside(value: Any, step: int | str) -> Any:
    try:
        return value[step]
    except (LookupError, TypeError):
        return None


def _name_of(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    names = (value[key] for key in ("name", "key", "id", "component") if key in value)
    name = next(names, None)
    return f' "{name}"' if isinstance(name, str) and len(name) <= _FOUND_SIZE else ""


def short(value: object) -> str:
    """*value* for a message, as a file or JSON has it, cut where it is long."""
    match value:
        case bool():
            text = str(value).lower()
        case None:
            text = "null"
        case date() | time():
            text = value.isoformat()
        case _:
            text = _repr(value)
    return text if len(text) <= _FOUND_SIZE else f"{text[:_FOUND_SIZE]}..."


def _repr(value: object) -> str:
    """Also of what Python does not write: numbers of thousands of digits, lists of many levels."""
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return hex(value) if isinstance(value, int) else "a value of very many levels"


def printable(text: str) -> str:
    """*text* as UTF-8 can hold it: JSON can name half of a character."""
    return text.encode("utf-8", "backslashreplace").decode()

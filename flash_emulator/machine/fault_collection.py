"""Where the faults of a board file are collected, those that pydantic finds in its form too."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flash_emulator.machine import board_model as model
from flash_emulator.machine.board_faults import BadBoardFile, BoardFault, key_of, short
from flash_emulator.machine.toml_lines import Lines, Place


class Faults:
    """Collects them. *lines*: where values stand."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self._path, self._lines = path, lines
        self._found: list[BoardFault] = []

    def add(self, place: Place, what: str, expected: str = "", found: object = "") -> None:
        said = found if isinstance(found, str) else short(found)
        fault = BoardFault(self._lines.of(place), key_of(place), what, expected, said)
        self._found.append(fault)

    def add_all_of(self, error: ValidationError, raw: Any) -> None:
        """What pydantic has found in *raw*."""
        for detail in error.errors():
            place = _in_file(raw, detail["loc"])
            self.add(place, *_of_form(detail, place))

    def raise_any(self) -> None:
        if self._found:
            raise BadBoardFile(self._path, self._found)


def _in_file(raw: Any, location: tuple[int | str, ...]) -> Place:
    """pydantic's place without the steps that are its own (members of unions)."""
    place: list[int | str] = []
    value = raw
    for step in location:
        try:
            value = value[step]
        except (LookupError, TypeError):
            if isinstance(value, dict) and isinstance(step, str) and step.isidentifier():
                place.append(step)  # what is missing
            break
        place.append(step)
    return tuple(place)


def _of_form(detail: ErrorDetails, place: Place) -> tuple[str, str, str]:
    match detail["type"]:
        case "missing":
            return "is missing", "", ""
        case "unexpected_keyword_argument":
            return "is no key here", _near(place), ""
        case "value_error":
            expected = detail["msg"].removeprefix("Value error, ")
            return "cannot be", expected, short(detail["input"])
        case "dataclass_type" | "dataclass_exact_type":
            return "cannot be", "a table", short(detail["input"])
        case "tuple_type":
            return "cannot be", "a list", short(detail["input"])
        case "too_short":
            return "cannot be", "at least one", short(detail["input"])
        case _:
            text = detail["msg"].replace("Input should be ", "")
            return "cannot be", text, short(detail["input"])


def _near(place: Place) -> str:
    """What may stand where an unknown key does."""
    above = tuple(step for step in place[:-1] if isinstance(step, str))
    known = [field.name for field in fields(_TABLES[above])]
    near = get_close_matches(str(place[-1]), known, 1)
    return near[0] if near else f"one of {', '.join(known)}"


_TABLES: dict[tuple[str, ...], Any] = {
    (): model.BoardTable,
    ("images",): model.ImageTable,
    ("slots",): model.SlotTable,
    ("rest",): model.RestTable,
    ("limits",): model.LimitTable,
    ("machine",): model.MachineTable,
    ("questions",): model.QuestionTable,
    ("questions", "reported"): model.ReportedTable,
    ("host",): model.HostTable,
    ("host", "steps"): model.HostStepTable,
    ("host", "xmodem"): model.XmodemTable,
    ("host", "xcp"): model.XcpTable,
}

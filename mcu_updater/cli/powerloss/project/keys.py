"""Keys of a configuration file: options of ``powerloss`` and ``firmware explore`` by their names.

A value is checked for its type, and then goes the way that it would go from a command line: what an
option refuses there, it refuses here, with the line of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from flash_emulator.machine.board_faults import short
from flash_emulator.machine.toml_lines import Place
from mcu_updater.cli.names import PartName
from mcu_updater.cli.powerloss.project.file import Configuration
from mcu_updater.core.errors import UpdaterError

LIMITS = ("cuts", "states", "time", "brute-force", "draws", "erased-values", "options-at-risk")
OF_A_SEARCH = (*LIMITS, "decay")
OF_A_BOARD = (*OF_A_SEARCH, "outcomes", "resets")
OF_A_SCENARIO = (
    *OF_A_SEARCH,
    *("part", "strategy", "scenario", "core", "format", "size", "seed", "no-representatives"),
)
OF_A_CAMPAIGN = (
    *("jobs", "scheduler", "ahead", "strict", "quiet", "quick", "budget", "accept-incomplete"),
    *("html", "junit", "json-file", "sarif", "codequality", "annotations", "certificates"),
)
BOARD, HAZARD = "board", "known-hazard"
NO_KEYS = (
    *("replay", "shrink", "check", "check-sample", "list", "json", "option-change-us"),
    *("config", "no-config", "dry-run", "allow", "raw", "only", "gdb", "coverage", "open"),
)
"""Options of one run, or of files that are given with it."""

SPOKEN = {"int": "a whole number", "number": "a number", "text": "a text"}


@dataclass(frozen=True, slots=True)
class Value:
    """Of an option, and where it comes from: a line of the file, the command line; empty: it is the
    option's own."""

    value: Any
    source: str = ""


@dataclass(frozen=True, slots=True)
class Values:
    """Of all options of one search, by parameter name: command line, table, top, default."""

    found: Mapping[str, Value]

    @property
    def parsed(self) -> dict[str, Any]:
        """As click gives them to a command."""
        return {name: each.value for name, each in self.found.items()}

    def said(self) -> Iterator[tuple[str, Value]]:
        """Those that somebody has given."""
        return ((name, each) for name, each in self.found.items() if each.source)


def key_of(param: click.Parameter) -> str:
    return param.opts[0].removeprefix("--")


def options_of(command: click.Command) -> dict[str, click.Option]:
    """By key."""
    return {key_of(p): p for p in command.params if isinstance(p, click.Option)}


class Reader:
    """Values of options from *file*; what is wrong with them becomes faults of it.

    *given*: the context of the command line, whose options come first.
    """

    def __init__(self, file: Configuration, given: click.Context) -> None:
        self._file, self._given = file, given

    def check_keys(self, table: dict[str, Any], at: Place, known: Iterable[str]) -> None:
        """That *table*, which stands *at* this place, has no others."""
        names = list(known)
        for key in table:
            if key not in names:
                near = get_close_matches(key.replace("_", "-").lower(), names, 2)
                expected = " or ".join(near) or f"one of {', '.join(names)}"
                self._file.fault((*at, key), "is no key here", expected)

    def values(
        self, ctx: click.Context, keys: Iterable[str], table: dict[str, Any], at: Place
    ) -> Values:
        """Of the options of *ctx*: those of *keys* may stand in *table*, or at the top."""
        found = {name: Value(value) for name, value in ctx.params.items()}
        options = options_of(ctx.command)
        for key in keys:
            option = options.get(key)
            if option is None or option.name is None:
                continue
            value = self._one(ctx, option, key, table, at)
            if value is not None:
                found[option.name] = value
        return Values(found)

    def _one(
        self, ctx: click.Context, option: click.Option, key: str, table: dict[str, Any], at: Place
    ) -> Value | None:
        name = option.name or ""
        if self._given.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            return Value(self._given.params[name], "command line")
        for values, place in ((table, (*at, key)), (self._file.top, (key,))):
            if key in values:
                return self._read(ctx, option, values[key], place)
        return None

    def _read(
        self, ctx: click.Context, option: click.Option, value: Any, place: Place
    ) -> Value | None:
        expected = wrong_type(option, value)
        if expected:
            self._file.fault(place, "cannot be", expected, short(value))
            return None
        try:
            read = option.process_value(ctx, self._as_given(option, value))
        except click.UsageError as error:
            self._file.fault(place, f"cannot be: {error.message}")
        except UpdaterError as error:
            self._file.fault(place, f"cannot be: {error.message}")
        else:
            return Value(read, f"{self._file.path.name}, line {self._file.line(*place)}")
        return None

    def _as_given(self, option: click.Option, value: Any) -> Any:
        """As it would stand on a command line; paths begin at the file's folder."""
        if key_of(option) == "outcomes" and isinstance(value, list):
            return ",".join(value)
        if option.multiple:
            return tuple(self._text(option, each) for each in _listed(value))
        return self._text(option, value)

    def _text(self, option: click.Option, value: Any) -> Any:
        if isinstance(option.type, click.Path) and value != "-":
            return str(self.path(value))
        if isinstance(option.type, PartName) and ("/" in value or value.endswith(".toml")):
            return str(self.path(value))
        return str(value) if key_of(option) == "size" else value

    def path(self, name: str) -> Path:
        return self._file.folder / name


def wrong_type(option: click.Option, value: Any) -> str:
    """What was expected; empty where it is."""
    if option.is_flag:
        return "" if isinstance(value, bool) else "true or false"
    kind = _kind(option)
    if option.multiple or key_of(option) == "outcomes":
        good = all(_is(kind, each) for each in _listed(value)) and value != []
        return "" if good else f"{SPOKEN[kind]}, or a list of them"
    if key_of(option) == "size" and _is("int", value):
        return ""
    return "" if _is(kind, value) else SPOKEN[kind]


def _kind(option: click.Option) -> str:
    if isinstance(option.type, click.IntRange | click.types.IntParamType):
        return "int"
    return "number" if isinstance(option.type, click.FloatRange) else "text"


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return False
    is_number = isinstance(value, int)
    match kind:
        case "int":
            return is_number
        case "number":
            return is_number or isinstance(value, float)
        case _:
            return is_text(value)


def is_text(value: Any) -> bool:
    """One that a command line could hold, too: not empty, no NUL."""
    return isinstance(value, str) and bool(value) and "\0" not in value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

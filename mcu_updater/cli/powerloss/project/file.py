"""Finds and reads a configuration file: ``powerloss.toml``, or a table of ``pyproject.toml``.

It is looked for in the folder that the command runs in, and in those above it, up to the first that
is the root of a repository: what lies beyond is somebody else's.
"""

from __future__ import annotations

import os.path
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flash_emulator.machine.board_faults import BoardFault, key_of, short
from flash_emulator.machine.toml_lines import Lines, Place
from mcu_updater.core.errors import InputRejected, PortError, UsageError

NAME, SHARED = "powerloss.toml", "pyproject.toml"
TABLE: Place = ("tool", "mcu-updater", "powerloss")
SEARCH = "search"
_REFERENCE = "See docs/reference/configuration.md"


@dataclass(slots=True)
class Configuration:
    """What stands in it: *top*, what holds for all searches, and a table for each of *searches*.

    Faults are collected, and raised together.
    """

    path: Path
    top: dict[str, Any]
    searches: list[dict[str, Any]]
    lines: Lines
    prefix: Place = ()
    faults: list[BoardFault] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Paths in the file begin here."""
        return self.path.parent

    def line(self, *place: str | int) -> int:
        return self.lines.of((*self.prefix, *place))

    def fault(self, place: Place, what: str, expected: str = "", found: object = "") -> None:
        said = found if isinstance(found, str) else short(found)
        self.faults.append(BoardFault(self.line(*place), key_of(place), what, expected, said))

    def raise_any(self) -> None:
        if self.faults:
            raise _rejected(self.path, self.faults)


def find(folder: Path) -> Configuration | None:
    """The nearest one of *folder* and those above it; None where there is none. Raises what
    ``read`` does."""
    for above in (folder, *folder.parents):
        if os.path.lexists(above / NAME):
            return read(above / NAME)
        if (above / SHARED).is_file() and (found := _of_shared(above / SHARED)) is not None:
            return found
        if (above / ".git").exists():
            return None
    return None


def read(path: Path) -> Configuration:
    """Raises PortError where it cannot be read, InputRejected where it is no configuration."""
    text = _text(path)
    table = _parsed(path, text)
    if path.name == SHARED:
        found = _table_of(table)
        if found is None:
            what = f"has no table [{'.'.join(map(str, TABLE))}]"
            raise InputRejected(what, where=str(path), then=_REFERENCE)
        return _configuration(path, found, text, TABLE)
    return _configuration(path, table, text, ())


def _of_shared(path: Path) -> Configuration | None:
    """A file that others use, too: what is wrong with it is not ours to say where it has no table
    for us."""
    text = _text(path)
    try:
        found = _table_of(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        if re.search(r"^\s*\[+\s*tool\.[\"']?mcu-updater", text, re.MULTILINE):
            return read(path)
        return None
    return None if found is None else _configuration(path, found, text, TABLE)


def _text(path: Path) -> str:
    """Without the byte order mark that editors on Windows put before it."""
    if path.exists() and not path.is_file():
        raise PortError("is no file", where=str(path), expected="a file, or nothing of this name")
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        found = error.strerror or str(error)
        raise PortError("cannot be read", where=str(path), found=found.lower()) from error
    except UnicodeDecodeError as error:
        raise _rejected(path, [BoardFault(0, "", "is no TOML", "UTF-8", str(error))]) from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        at = int(line[1]) if line else len(text.splitlines())
        raise _rejected(path, [BoardFault(at, "", "is no TOML", "", str(error))]) from error


def _table_of(table: dict[str, Any]) -> dict[str, Any] | None:
    found: Any = table
    for key in TABLE:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _configuration(path: Path, table: dict[str, Any], text: str, prefix: Place) -> Configuration:
    top = {key: value for key, value in table.items() if key != SEARCH}
    made = Configuration(path, top, [], Lines(text), prefix)
    searches = table.get(SEARCH, [])
    if isinstance(searches, list) and all(isinstance(each, dict) for each in searches):
        made.searches = searches
    else:
        made.fault((SEARCH,), "cannot be", f"tables: [[{'.'.join([*map(str, prefix), SEARCH])}]]")
    return made


def _rejected(path: Path, faults: list[BoardFault]) -> InputRejected:
    what = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
    lines = "".join(f"\n  {each}" for each in sorted(faults, key=lambda each: each.line))
    return InputRejected(f"{what}{lines}\n{_REFERENCE}", where=str(path))


def nothing_to_do(file: Configuration | None) -> UsageError:
    """Of ``firmware explore`` without BOARD."""
    where = "" if file is None else str(file.path)
    what = "no BOARD is given, and no configuration file names one"
    return UsageError(what, where=where, expected=f'BOARD, or {NAME} with board = "FILE"')

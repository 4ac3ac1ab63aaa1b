"""What a configuration file comes to: the searches of a campaign, in its order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import click

from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.toml_lines import Place
from mcu_updater.cli.firmware.reading import read_board
from mcu_updater.cli.powerloss.project import keys
from mcu_updater.cli.powerloss.project.file import SEARCH, Configuration
from mcu_updater.cli.powerloss.project.keys import Reader, Values, is_text
from mcu_updater.core.errors import UpdaterError
from mcu_updater.powerloss.known_hazards import KnownHazard
from mcu_updater.powerloss.scenario import Scenario

Asked = TypeVar("Asked", BoardFile, Scenario)


@dataclass(frozen=True, slots=True)
class Planned(Generic[Asked]):
    """One search. *values*: of its options; *line*: of the file, that asks for it."""

    asked: Asked
    values: Values
    known: tuple[KnownHazard, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All of them. *campaign*: values of the options that all have in common."""

    file: Configuration
    campaign: Values
    boards: list[Planned[BoardFile]]
    scenarios: list[Planned[Scenario]]


ScenariosOf = Callable[[dict[str, Any]], list[Scenario]]
"""From the options of ``powerloss`` to the scenarios that they name."""

_OF_SCENARIOS_ALONE = ("part", "strategy", "scenario", "core", "format", "size", "seed")
_CHOOSE = ("part", "strategy", "scenario")


class Planner:
    """Makes the plan of *file*. *given*: context of the command line, of either command;
    *scenarios_of* is None where only boards are asked for."""

    def __init__(
        self,
        file: Configuration,
        given: click.Context,
        board_command: click.Command,
        scenarios_of: ScenariosOf | None = None,
    ) -> None:
        self._file, self._given = file, given
        self._board_command, self._scenarios_of = board_command, scenarios_of
        self._reader = Reader(file, given)
        self._boards: list[Planned[BoardFile]] = []
        self._scenarios: list[Planned[Scenario]] = []

    def plan(self) -> Plan:
        """Raises InputRejected with all that is wrong with the file; UsageError where the command
        line asks for what has no effect."""
        file, top = self._file, self._file.top
        known = {*keys.OF_A_BOARD, *keys.OF_A_SCENARIO, *keys.OF_A_CAMPAIGN}
        self._reader.check_keys(top, (), [keys.BOARD, keys.HAZARD, *sorted(known)])
        campaign = self._reader.values(self._given, keys.OF_A_CAMPAIGN, {}, ())
        for at, table in enumerate(file.searches):
            self._table(table, (SEARCH, at))
        if not file.searches:
            self._alone()
        elif keys.HAZARD in top:
            file.fault((keys.HAZARD,), f"stands beside [[{SEARCH}]]", "a place in one of them")
        elif keys.BOARD in top:
            file.fault((keys.BOARD,), f"stands beside [[{SEARCH}]]", "a place in one of them")
        file.raise_any()
        return Plan(file, campaign, self._boards, self._scenarios)

    def _alone(self) -> None:
        """A file without [[search]] is one search."""
        top = self._file.top
        table = {key: top[key] for key in (keys.BOARD, keys.HAZARD) if key in top}
        has_scenarios = any(key in top for key in _CHOOSE)
        if keys.BOARD in top:
            self._of_boards(table, (), self._known(table, ()))
        if has_scenarios or keys.BOARD not in top:
            self._of_scenarios({}, (), self._known(table, ()) if keys.BOARD not in top else ())

    def _table(self, table: dict[str, Any], at: Place) -> None:
        is_board = keys.BOARD in table
        own = (keys.BOARD, *keys.OF_A_BOARD) if is_board else keys.OF_A_SCENARIO
        for key in [key for key in keys.OF_A_CAMPAIGN if key in table]:
            self._file.fault((*at, key), "is of the whole campaign", f"it above [[{SEARCH}]]")
        for key in [key for key in _OF_SCENARIOS_ALONE if is_board and key in table]:
            self._file.fault((*at, key), "has no effect on a board", "a table of theirs")
        beside = (*keys.OF_A_CAMPAIGN, *(_OF_SCENARIOS_ALONE if is_board else ()))
        plain = {key: value for key, value in table.items() if key not in beside}
        self._reader.check_keys(plain, at, [*own, keys.HAZARD])
        known = self._known(table, at)
        (self._of_boards if is_board else self._of_scenarios)(table, at, known)

    # --- boards

    def _of_boards(self, table: dict[str, Any], at: Place, known: tuple[KnownHazard, ...]) -> None:
        value = table[keys.BOARD]
        names = value if isinstance(value, list) else [value]
        if not names or not all(map(is_text, names)):
            expected = "the path of a board file, or a list of them"
            self._file.fault((*at, keys.BOARD), "cannot be", expected, value)
            return
        for number, name in enumerate(names):
            place = (*at, keys.BOARD, *([number] if isinstance(value, list) else []))
            for path in self._paths(name, place):
                self._board(path, place, table, at, known)

    def _paths(self, name: str, place: Place) -> Iterator[Path]:
        """Of one file; or of all that a pattern names, in order."""
        if not any(sign in name for sign in "*?["):
            yield self._reader.path(name)
            return
        try:
            found = sorted(path for path in self._file.folder.glob(name) if path.is_file())
        except (ValueError, NotImplementedError) as error:
            expected = "one below the file's folder; ** stands alone between two /"
            self._file.fault(place, f"is no pattern: {error}", expected, name)
            return
        if not found:
            self._file.fault(place, "names no file", f"a pattern below {self._file.folder}", name)
        yield from found

    def _board(
        self,
        path: Path,
        place: Place,
        table: dict[str, Any],
        at: Place,
        known: tuple[KnownHazard, ...],
    ) -> None:
        try:
            shown = _from_here(path)
            ctx = self._board_command.make_context("explore", [str(shown)], parent=self._given)
            read = read_board(shown)
        except UpdaterError as error:
            self._file.fault(place, error.message)
            return
        again = next((one for one in self._boards if one.asked.path == read.path), None)
        if again is not None:
            self._file.fault(place, f"is searched already, line {again.line}", "", str(shown))
            return
        values = self._reader.values(ctx, keys.OF_A_BOARD, table, at)
        self._boards.append(Planned(read, values, known, self._file.line(*place)))

    # --- scenarios

    def _of_scenarios(
        self, table: dict[str, Any], at: Place, known: tuple[KnownHazard, ...]
    ) -> None:
        if self._scenarios_of is None:
            return
        before = len(self._file.faults)
        values = self._reader.values(self._given, keys.OF_A_SCENARIO, table, at)
        if len(self._file.faults) > before:
            return
        for each in self._scenarios_of(values.parsed):
            planned = Planned(each, values, known, self._file.line(*at) if at else 1)
            if not any(one.asked.id == each.id for one in self._scenarios):
                self._scenarios.append(planned)

    # --- known hazards

    def _known(self, table: dict[str, Any], at: Place) -> tuple[KnownHazard, ...]:
        value = table.get(keys.HAZARD, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self._file.fault((*at, keys.HAZARD), "cannot be", "tables of question, text, reason")
            return ()
        known = (
            self._hazard(each, (*at, keys.HAZARD, number)) for number, each in enumerate(value)
        )
        return tuple(filter(None, known))

    def _hazard(self, table: dict[str, Any], at: Place) -> KnownHazard | None:
        self._reader.check_keys(table, at, ("question", "text", "reason"))
        is_good = True
        for key in ("question", "reason", "text"):
            value = table.get(key)
            if value is None and key != "text":
                self._file.fault((*at, key), "is missing")
                is_good = False
            elif value is not None and (not isinstance(value, str) or not value.strip()):
                self._file.fault((*at, key), "cannot be", "a text", value)
                is_good = False
        if not is_good:
            return None
        return KnownHazard(table["question"], table["reason"], table.get("text", ""))


def _from_here(path: Path) -> Path:
    """As a reader would type it."""
    try:
        return Path(os.path.relpath(path))
    except ValueError:  # on another drive
        return path

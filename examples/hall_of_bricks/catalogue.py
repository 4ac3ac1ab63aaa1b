"""The bricks of ``hall.toml``, and each of their programs as what a search takes."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.explore import FunctionSubject, Subject
from flash_emulator.machine.board_file import read_board_file

HERE = Path(__file__).parent
CLASSES = ("no cut", "single clean", "single torn", "two cuts", "closure")
"""What the least is that finds a brick. Each one finds what those before it find."""


@dataclass(frozen=True, slots=True)
class Report:
    """A public report of the failure; *says* is ours, in one sentence."""

    url: str
    says: str

    @property
    def short(self) -> str:
        """Such as ``mcuboot #2845``."""
        *_, name, _, number = self.url.split("/")
        return f"{name} #{number}"


@dataclass(frozen=True, slots=True)
class Brick:
    """One entry. *brick* and *twin*: a board file, or ``program.py:function``, in the folder of
    its name. *cuts*: in a row, the fewest that are needed. *differs*: from what was reported."""

    name: str
    title: str
    part: str
    reports: tuple[Report, ...]
    brick: str
    twin: str
    question: str
    found_by: str
    cuts: int
    differs: str = ""

    @property
    def is_firmware(self) -> bool:
        return self.brick.endswith(".toml")

    def world(self, which: str) -> tuple[Subject, EmulatedFlash]:
        """*which*: "brick" or "twin"; what boots, and the flash before power comes first."""
        file, _, function = str(getattr(self, which)).partition(":")
        if not function:
            read = read_board_file(HERE / self.name / file)
            return read.subject, read.board.flash()
        program = _program(self.name, file)
        flash = EmulatedFlash(load_part(self.part), seed=0)
        program.prepare(flash)
        return FunctionSubject(getattr(program, function), program.verdict), flash


def _program(folder: str, file: str) -> Any:
    return importlib.import_module(f"{__package__}.{folder}.{file.removesuffix('.py')}")


def bricks() -> tuple[Brick, ...]:
    """All of them, in the order of the file."""
    data = tomllib.loads((HERE / "hall.toml").read_text(encoding="utf-8"))
    return tuple(_brick(table) for table in data["bricks"])


def _brick(table: Mapping[str, Any]) -> Brick:
    reports = tuple(Report(**report) for report in table["reports"])
    return Brick(**{**table, "reports": reports})

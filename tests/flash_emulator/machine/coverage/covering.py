"""Boards and searches whose coverage is asked, each made once for all tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from flash_emulator.explore import Report, Search, SearchOptions
from flash_emulator.machine.board import Board
from flash_emulator.machine.coverage import Coverage, Joined, TracedBoots, coverage_of
from flash_emulator.machine.coverage.report import Boots, Branch, CutOperation
from flash_emulator.machine.debug_info import read_debug_info
from flash_emulator.machine.subject import FirmwareSubject
from tests.flash_emulator.machine.boards import PROGRAMS, copy_board
from tests.places import ROOT

C_BOOTLOADER = ROOT / "examples/c_bootloader"


def traced(board: Board, executor: Any = None, **options: Any) -> tuple[Report, Joined]:
    """A search of *board*, with all of its boots."""
    subject = FirmwareSubject(board)
    boots = TracedBoots(subject, board.flash(), executor=executor)
    asked = SearchOptions(**options)
    search = Search(subject, board.flash(), options=asked, observer=boots, began=boots.begin)
    return search.run(), boots.finish()


def covered(board: Board, elf: Path, **options: Any) -> tuple[Report, Coverage]:
    report, joined = traced(board, **options)
    return report, coverage_of(joined, [read_debug_info(elf)], ())


@cache
def copying(name: str, size: int = 8, **options: Any) -> tuple[Report, Coverage]:
    """Of one of the copy bootloaders."""
    return covered(copy_board(name, size), PROGRAMS / f"{name}.elf", **options)


def lines(coverage: Coverage, file: str) -> dict[int, Boots]:
    found = next(each for each in coverage.files if each.name == file)
    return {line.number: line.boots for line in found.lines}


def branches(coverage: Coverage, function: str, line: int) -> list[Branch]:
    return [
        branch
        for file in coverage.files
        for branch in file.branches
        if (branch.place.function, branch.place.line) == (function, line)
    ]


def operations(coverage: Coverage) -> list[CutOperation]:
    return [each for file in coverage.files for each in file.operations]


def number(file: Path, text: str) -> int:
    """Of the line of *file* that has *text*."""
    found = [n for n, line in enumerate(file.read_text().splitlines(), 1) if text in line]
    assert len(found) == 1, text
    return found[0]

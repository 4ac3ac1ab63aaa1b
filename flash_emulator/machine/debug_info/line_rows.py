"""Line programs as rows, and the names of their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from flash_emulator.machine.debug_info.values import LineRow

_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")


class Paths:
    """Names files as the compiler was given them, relative to *base*, the folder of compilation of
    most units: so a name stands for one file, also where units were compiled elsewhere."""

    def __init__(self, base: str) -> None:
        self._base = slashed(base).rstrip("/")

    def files(self, cu: Any, dwarf: Any, folder: str) -> Callable[[int], str]:
        """Names by their numbers in the table of *cu*; empty where there is none."""
        program = dwarf.line_program_for_CU(cu)
        if program is None:
            return lambda _number: ""
        header, folder = program.header, slashed(folder).rstrip("/")
        first = 0 if header["version"] >= 5 else 1

        def name(number: int) -> str:
            files = header["file_entry"]
            if not 0 <= number - first < len(files):
                return ""
            return self._named(files[number - first], header, folder)

        return name

    def _named(self, file: Any, header: Any, folder: str) -> str:
        folders, index = header["include_directory"], file["dir_index"] or 0
        parent = ""
        if header["version"] >= 5:
            parent = _text(folders[index]) if index < len(folders) else ""
        elif 0 < index <= len(folders):
            parent = _text(folders[index - 1])
        return self._relative(_joined(parent, _text(file["name"])), folder)

    def _relative(self, path: str, folder: str) -> str:
        if not _ABSOLUTE.match(path) and folder != self._base:
            path = _joined(folder, path)
        while path.startswith("./"):
            path = path[2:].lstrip("/")
        inside = f"{self._base}/"
        return path.removeprefix(inside) if self._base else path


def _joined(parent: str, name: str) -> str:
    parent, name = slashed(parent).rstrip("/"), slashed(name)
    return name if not parent or _ABSOLUTE.match(name) else f"{parent}/{name}"


def slashed(path: str) -> str:
    """As POSIX has it: compilers on Windows write the other sign."""
    return path.replace("\\", "/")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def rows_of(
    program: Any, name: Callable[[int], str], code: tuple[range, ...]
) -> tuple[LineRow, ...]:
    """Rows of *program* for *code*, ascending; where two say something of one address, the first
    sequence counts."""
    found: list[LineRow] = []
    for row in sorted(_rows(program, name), key=lambda row: row.address):
        if not any(row.address in each and row.end - 1 in each for each in code):
            continue
        if found and row.address < found[-1].end:
            continue
        found.append(row)
    return tuple(found)


def _rows(program: Any, name: Callable[[int], str]) -> Iterator[LineRow]:
    last: Any = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if last is not None and state.address > last.address:
            file = name(last.file)
            yield LineRow(
                last.address, state.address, file, last.line, bool(last.is_stmt), last.column
            )
        last = None if state.end_sequence else state

"""Where a finding lies, in files that a reviewer has before him: paths from the root of a tree.

Source lines come from the moments of a film, where the program has debug information. Where it has
none, or its sources lie outside of the tree, a finding is laid at the file that was searched, and
the function stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from flash_emulator.explore.campaign import Result
from flash_emulator.explore.replay import Film, Frame
from flash_emulator.moment import SourceLine

_FUNCTION = re.compile(r"\((?P<name>[^()]+?)(?:\+0x[0-9a-f]+)?\)$")


@dataclass(frozen=True, slots=True)
class Place:
    """*file*: from the root, with slashes; empty where no file is known. *line*: from 1.

    *function*: of the program, where it is known; *column*: 0 where it is not.
    """

    file: str = ""
    line: int = 1
    function: str = ""
    column: int = 0

    def __str__(self) -> str:
        """``flash.c:83, flash_write_row()``; what of it is known."""
        at = f"{self.file}:{self.line}" if self.file else ""
        return ", ".join(filter(None, (at, self.function and f"{self.function}()")))


@dataclass(frozen=True, slots=True)
class SourceTree:
    """The folder that paths of a report count from: the root of a repository, as a rule."""

    root: Path

    def path(self, file: str | Path, beside: tuple[str, ...] = ()) -> str:
        """*file* from the root; empty where it does not lie below it.

        *beside*: folders in which a relative path may begin; the first in which the file is.
        """
        if not str(file):
            return ""
        starts = [Path(folder) for folder in beside] or [Path()]
        here = next((start / file for start in starts if (start / file).is_file()), None)
        if here is None:
            return ""
        try:
            found = (here.parent.resolve() / here.name).relative_to(self.root.resolve())
        except ValueError:
            return ""
        return PurePath(found).as_posix()

    def of_result(self, result: Result) -> Place:
        """The file that was searched, with no function."""
        file = self.path(result.origin.file)
        return Place(file, result.origin.line if file else 1)

    def of_frame(self, result: Result, frame: Frame) -> Place:
        """The line that ran at *frame*, where it lies in the tree; else the file that was
        searched, and the function."""
        at = self.of_result(result)
        source = None if frame.moment is None else frame.moment.place
        if source is None:
            found = _FUNCTION.search(frame.where)
            return Place(at.file, at.line, found["name"] if found else "")
        return self.of_source(result, source)

    def stack(self, result: Result, frame: Frame) -> list[Place]:
        """The line that ran at *frame*, and its callers, as far as they are known."""
        running = None if frame.moment is None else frame.moment.running
        callers = () if running is None else running.stack
        return [self.of_source(result, each.source) for each in callers if each.source is not None]

    def of_source(self, result: Result, source: SourceLine) -> Place:
        """As ``of_frame`` has it."""
        at = self.of_result(result)
        file = self._source(source, result.origin.folders) if source.line else ""
        if not file:
            return Place(at.file, at.line, source.function)
        return Place(file, source.line, source.function, source.column)

    def _source(self, source: SourceLine, folders: tuple[str, ...]) -> str:
        """Where it was found; else where it would be in a tree that was moved."""
        found = self.path(source.path)
        return found or self.path(source.file, (*folders, str(self.root)))


def cuts_of(film: Film) -> Iterator[Frame]:
    """Where power was lost, in its order."""
    return (frame for frame in film.frames if frame.kind == "cut")


def end_of(film: Film) -> Frame | None:
    """Where it goes wrong."""
    return next((frame for frame in film.frames if frame.kind == "violation"), None)

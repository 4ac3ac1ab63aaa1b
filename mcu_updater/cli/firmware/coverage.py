"""``--coverage`` of ``firmware explore``: what of the program ran, and what of it after a cut."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from flash_emulator.explore import SelfCheckFailed
from flash_emulator.machine.board_facts import name_of
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.coverage import Coverage, TracedBoots, coverage_of
from flash_emulator.machine.coverage.names import program_names
from flash_emulator.machine.coverage.render import (
    coverage_html,
    coverage_json,
    coverage_lines,
    lcov,
)
from flash_emulator.machine.coverage.report import SourceFile
from flash_emulator.machine.debug_info import DebugInfo
from flash_emulator.machine.symbols import shown
from mcu_updater.cli import paths
from mcu_updater.cli.powerloss.searches import SearchRequest, executor_of, make_folder
from mcu_updater.core.errors import PortError, UpdaterError, UsageError, VerificationFailed
from mcu_updater.storage import write_whole

Clashing = dict[tuple[DebugInfo, DebugInfo], tuple[range, ...]]
"""Programs two by two, and where both have code."""

_ANY, _AFTER, _VALUES, _PAGE = "coverage.info", "after-a-cut.info", "coverage.json", "index.html"


@dataclass(slots=True)
class CoverageRun:
    """Of one search. *lines*: for the terminal, when it is written."""

    folder: Path
    read: BoardFile
    infos: tuple[DebugInfo, ...]
    missing: tuple[str, ...]
    traced: TracedBoots
    lines: list[str] = field(default_factory=list)

    def write(self, failed: Callable[[UpdaterError], object]) -> None:
        """Files into the folder; *failed* is told of each that cannot be written."""
        try:
            coverage = coverage_of(self.traced.finish(), self.infos, self.missing)
        except SelfCheckFailed as error:
            then = "The search is not touched by this; no coverage is written"
            failed(VerificationFailed("coverage cannot be told", found=str(error), then=then))
            return
        self.lines = [*coverage_lines(coverage), f"  {self.folder / _PAGE}, {_ANY}, {_AFTER}"]
        for name, text in self._texts(coverage):
            try:
                write_whole(self.folder / name, text.encode())
            except PortError as error:
                failed(error)

    def _texts(self, coverage: Coverage) -> Iterator[tuple[str, str]]:
        title = f"Coverage under cuts: {name_of(self.read)}"
        yield _ANY, lcov(coverage, self._named, after=False)
        yield _AFTER, lcov(coverage, self._named, after=True)
        yield _VALUES, coverage_json(coverage)
        yield _PAGE, coverage_html(coverage, title, shlex.join(["mcu-updater", *sys.argv[1:]]))
        for file in coverage.files:
            if file.is_listing and file.text is not None:
                yield file.name, "\n".join(file.text) + "\n"

    def _named(self, file: SourceFile) -> str:
        """Where lcov finds a source: from here, where it lies below this folder."""
        if file.is_listing:
            return str(self.folder / file.name)
        if file.text is None:
            return file.path
        here, path = Path.cwd(), Path(file.path).resolve()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)


@contextmanager
def coverage_run(
    folder: Path | None, read: BoardFile, request: SearchRequest
) -> Iterator[CoverageRun | None]:
    """None where nobody asks for it. Raises UsageError where no program can be covered."""
    if folder is None:
        yield None
        return
    infos, missing = _programs(read)
    make_folder(folder)
    for name in (_ANY, _AFTER, _VALUES, _PAGE):
        paths.claim(folder / name, force=True)
    with executor_of(request) as executor:
        yield CoverageRun(folder, read, infos, missing, _traced(read, executor))


def _traced(read: BoardFile, executor: Executor | None) -> TracedBoots:
    return TracedBoots(read.subject, read.board.flash(), executor=executor)


def _programs(read: BoardFile) -> tuple[tuple[DebugInfo, ...], tuple[str, ...]]:
    """Those whose code may run: boots end where others begin. With why others are left out."""
    ends = [range(begin, begin + size) for begin, size in read.board.rests.slots]
    infos = [info for info in read.debug.all() if info.code and not _lies_in(info, ends, read)]
    clashing = {pair: common for pair in combinations(infos, 2) if (common := _common(*pair))}
    texts = [
        f"{' and '.join(program_names(pair))} are linked for the same addresses: what lies at "
        f"{', '.join(f'{shown(c.start)} to {shown(c.stop - 1)}' for c in common)} is not counted"
        for pair, common in clashing.items()
    ]
    kept = tuple(found for info in infos if (found := _without(info, clashing)).code)
    if not kept:
        raise UsageError(
            "no program of this board can be covered",
            where=str(read.path),
            expected="an ELF file with code that runs where it is linked",
            found="; ".join(texts) or read.debug.why_not(read.board.part.base),
            then="Name one in the board file: file, or elf beside it. "
            "See docs/how-to/coverage-under-cuts.md",
        )
    return kept, tuple(texts)


def _lies_in(info: DebugInfo, ranges: Sequence[range], read: BoardFile) -> bool:
    """Whether all of its code in flash does: what it copies to RAM runs no earlier."""
    part = read.board.part
    flash = range(part.base, part.bank_starts[-1] + part.bank_size)
    code = [each for each in info.code if each.start in flash] or info.code
    return all(any(c.start in r and c.stop - 1 in r for r in ranges) for c in code)


def _common(one: DebugInfo, other: DebugInfo) -> tuple[range, ...]:
    """Addresses that both have code for."""
    both = (range(max(a.start, b.start), min(a.stop, b.stop)) for a in one.code for b in other.code)
    return tuple(each for each in both if each)


def _without(info: DebugInfo, clashing: Clashing) -> DebugInfo:
    ranges = [each for pair, common in clashing.items() if info in pair for each in common]
    known = (range(each.begin, each.end) for each in info.functions())
    cut = [each for each in known if any(_meet(each, common) for common in ranges)]
    return info.without([*ranges, *cut]) if ranges else info


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop

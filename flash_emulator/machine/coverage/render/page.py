"""Coverage as one HTML file, which needs nothing else: no network, no script."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.resources import files

import jinja2

from flash_emulator.explore import render as explore_render
from flash_emulator.machine.coverage.render.text import share
from flash_emulator.machine.coverage.report import (
    Boots,
    Branch,
    Coverage,
    CutOperation,
    Line,
    SourceFile,
    Way,
)
from flash_emulator.machine.debug_info import Location
from flash_emulator.power import Outcome
from flash_emulator.printable import printable

_STATUS = {"never": "never", "no cut": "only without a cut", "after": "after cuts"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a source as the page shows it; *line*: None where no code belongs to it."""

    number: int
    text: str
    line: Line | None
    branches: tuple[Branch, ...]
    operations: tuple[CutOperation, ...]

    @property
    def status(self) -> str:
        return "none" if self.line is None else self.line.boots.status.replace(" ", "-")

    @property
    def words(self) -> str:
        return "" if self.line is None else _STATUS[self.line.boots.status]


def coverage_html(coverage: Coverage, title: str, command: str = "") -> str:
    """The whole file. *command*: how it was made."""
    style = _style()
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "printable": printable, "goal": _goal}
    lines = [line.boots for file in coverage.files for line in file.lines]
    ways = [way.boots for f in coverage.files for each in f.branches for way in each.ways]
    return environment.from_string(_asset("page.html")).render(
        title=title,
        command=command,
        coverage=coverage,
        unreached=coverage.unreached(),
        never_entered=list(coverage.never_entered()),
        operations=[each for file in coverage.files for each in file.operations],
        outcomes=_outcomes(coverage),
        figures=_figures(coverage, lines, ways),
        files=[(file, _anchor(file.name), tuple(_rows(file))) for file in coverage.files],
        anchor=_anchor,
        source=partial(_source, coverage),
        share=share,
        style=style,
        style_hash="sha256-" + base64.b64encode(sha256(style.encode()).digest()).decode(),
    )


def _figures(
    coverage: Coverage, lines: Sequence[Boots], ways: Sequence[Boots]
) -> list[tuple[str, str]]:
    return [
        ("boots", _number(coverage.boots.all)),
        ("of them after a cut", _number(coverage.boots.after)),
        ("lines that ran", share(lines, after=False)),
        ("lines after a cut", share(lines, after=True)),
        ("ways of branches taken", share(ways, after=False)),
        ("taken after a cut", share(ways, after=True)),
    ]


def _style() -> str:
    """The report's, and what is this page's own."""
    report = files(explore_render).joinpath("page.css").read_text(encoding="utf-8")
    return report + _asset("page.css")


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\u2009")


def _anchor(file: str) -> str:
    return "f" + sha256(file.encode()).hexdigest()[:10]


def _source(coverage: Coverage, place: Location) -> str:
    """The line's text; empty where it is not known."""
    texts = (file.text for file in coverage.files if file.name == place.file)
    text = next(texts, None) or ()
    return text[place.line - 1].strip() if 0 < place.line <= len(text) else ""


def _outcomes(coverage: Coverage) -> list[Outcome]:
    """Those that anything was cut with."""
    tried = {o for file in coverage.files for each in file.operations for o in each.cuts}
    return [outcome for outcome in Outcome if outcome in tried]


def _goal(way: Way, branch: Branch) -> str:
    """Where *way* leads, as short as it can be told beside its branch."""
    to = way.to
    if to is None or (to.file, to.line) == (branch.place.file, branch.place.line):
        return "goes on" if not way.taken else f"0x{way.address:08X}"
    return f"line {to.line}" if to.file == branch.place.file else to.place


def _rows(file: SourceFile) -> Iterator[Row]:
    """All lines, where the source is there; else those that code belongs to."""
    lines = {line.number: line for line in file.lines}
    numbers = range(1, len(file.text) + 1) if file.text is not None else sorted(lines)
    for number in numbers:
        yield Row(
            number,
            file.text[number - 1].expandtabs(8) if file.text is not None else "",
            lines.get(number),
            tuple(each for each in file.branches if each.place.line == number),
            tuple(each for each in file.operations if each.place.line == number),
        )

"""The page of results: which fault was found by what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.faults import Fault, load
from tests.mutants.hold import By, Finder, Finding, finders_of

BEGIN, END = "<!-- results -->", "<!-- end of results -->"

Row = tuple[Fault, By, Finder, Finding]


def write_table(page: Path, rows: Sequence[Row]) -> None:
    """Put *rows* into *page*, between its two marks; a fault without a row was not run.

    Raises ValueError for a page without marks.
    """
    text = page.read_text()
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page}: no marks {BEGIN} and {END}")
    parts = BEGIN, _counts(rows), _table(rows), _judged(), END
    page.write_text(before + "\n\n".join(parts) + after)


def _counts(rows: Sequence[Row]) -> str:
    by, faults = Counter(row[1] for row in rows), load()
    lines = ["| found by | faults |", "|---|---|"]
    lines += [f"| {each} | {by[each]} |" for each in By]
    if left := len(faults) - len(rows):
        lines.append(f"| not run | {left} |")
    return "\n".join([*lines, f"| all | {len(faults)} |"])


def _table(rows: Sequence[Row]) -> str:
    found = {row[0].name: row for row in rows}
    lines = ["| fault | found by | how | what it violates |", "|---|---|---|---|"]
    for fault in load():
        (finder,) = finders_of(fault)
        row = found.get(fault.name)
        lines.append(_line(*row) if row else f"| {fault.name} | not run | `{finder.what}` | |")
    return "\n".join(lines)


def _judged() -> str:
    """Why the command does not find what it is not expected to find."""
    lines = ["| the command does not find | because |", "|---|---|"]
    lines += [f"| {fault.name} | {_one_line(fault.why)} |" for fault in load() if fault.why]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _line(fault: Fault, by: By, finder: Finder, finding: Finding) -> str:
    how = f"`{finder.what}`" if by is not By.NOTHING else "-"
    question = finding.question or "a test fails"
    if fault.without_cut and by in (By.COMMAND, By.CHECK) and finding.replay.endswith(":-"):
        question += ", without a cut"
    return f"| {fault.name} | {by} | {how} | {question} |"

"""The table of the hall, as the page has it: what each method finds, in how many seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.hall_of_bricks.catalogue import CLASSES, Brick
from examples.hall_of_bricks.methods import METHODS, Found

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "hall-of-bricks.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
REPORTS = "What was reported, in our words, and in what the program here differs from that:"

Looks = Mapping[tuple[str, str], Found]
"""By "brick" or "twin", and method."""


def is_expected(brick: Brick, method: str) -> bool:
    """Whether *method* is to find it."""
    return list(METHODS).index(method) >= max(0, CLASSES.index(brick.found_by) - 1)


def wrong(brick: Brick, looks: Looks) -> list[str]:
    """What is not as ``hall.toml`` has it, in words."""
    said = []
    for method in METHODS:
        found, accused = looks["brick", method], looks["twin", method]
        if found.is_brick is not is_expected(brick, method):
            said.append(f"{method}: {'found' if found.is_brick else 'not found'}")
        if accused.is_brick:
            said.append(f"{method}: the good twin is accused: {accused.text} [{accused.path}]")
    closure, least = looks["brick", "closure"], looks["brick", cheapest_of(brick)]
    if closure.cuts != brick.cuts:
        said.append(f"cuts in a row: expected {brick.cuts}, found {closure.cuts}")
    if least.question != brick.question:
        said.append(f"question: expected {brick.question}, found {least.question or 'none'}")
    if not looks["twin", "closure"].is_complete:
        said.append("the closure of the good twin is not complete")
    return said


def cheapest_of(brick: Brick) -> str:
    """The method that is enough for it."""
    return "single clean" if brick.found_by == "no cut" else brick.found_by


HEADER = ("brick", *METHODS, "cuts", "CPU s")
SOURCES = ("name", "in", "on", "violated")


def row(brick: Brick, looks: Looks | None) -> tuple[str, ...]:
    """*looks*: None: what is expected, without seconds."""
    found = [
        is_expected(brick, m) if looks is None else looks["brick", m].is_brick for m in METHODS
    ]
    cells = ["found" if each else "-" for each in found]
    cuts = brick.cuts if looks is None else looks["brick", "closure"].cuts
    return brick.title, *cells, str(cuts), "" if looks is None else _seconds(looks)


def source_row(brick: Brick) -> tuple[str, ...]:
    language = "C" if brick.is_firmware else "Python"
    return f"`{brick.name}`", language, brick.part, brick.question


def reported(brick: Brick) -> str:
    """What its reports say, with links to them, and in what the program differs from them."""
    said = [f"[{report.short}]({report.url}): {report.says}" for report in brick.reports]
    differs = [f"*Here:* {brick.differs}"] if brick.differs else []
    return f"* `{brick.name}`: {' '.join([*said, *differs])}"


def _seconds(looks: Looks) -> str:
    """By each method, of brick and good twin together."""
    return " / ".join(
        f"{looks['brick', method].seconds + looks['twin', method].seconds:.1f}"
        for method in METHODS
    )


def markdown(header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows_of(text: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The rows that a page has between its marks: what is found, and where it comes from."""
    _, _, rest = text.partition(BEGIN)
    between, end, _ = rest.partition(END)
    if not end:
        raise ValueError(f"no {BEGIN} and {END}")
    lines = [line for line in between.splitlines() if line.startswith("| ")]
    rows = [tuple(line.removeprefix("| ").removesuffix(" |").split(" | ")) for line in lines]
    return (
        [row for row in rows if len(row) == len(HEADER)][2:],
        [row for row in rows if len(row) == len(SOURCES)][2:],
    )


def counts(rows: Sequence[tuple[str, ...]]) -> str:
    """How many each method finds."""
    first = HEADER.index("single clean")
    found = {m: sum(row[first + at] == "found" for row in rows) for at, m in enumerate(METHODS)}
    said = ", ".join(f"{method} {count}" for method, count in found.items())
    return f"Found of {len(rows)}: {said}. Good twins accused: 0."


def steady(before: str, now: str) -> str:
    """*before*, if *now* is about the same: no two runs take the same time, and the page is to
    change only where something else did."""
    try:
        pairs = zip(map(float, before.split(" / ")), map(float, now.split(" / ")), strict=True)
        is_same = all(max(pair) <= 2 * min(pair) or abs(pair[0] - pair[1]) <= 0.5 for pair in pairs)
    except ValueError:
        return now
    return before if is_same else now


def settled(rows: Sequence[tuple[str, ...]], text: str) -> list[tuple[str, ...]]:
    """The rows, with the seconds that the page's *text* has where they are about right."""
    before = {row[0]: row[-1] for row in rows_of(text)[0]}
    return [(*row[:-1], steady(before.get(row[0], ""), row[-1])) for row in rows]


def write(page: Path, bricks: Sequence[Brick], rows: Sequence[tuple[str, ...]]) -> None:
    """Put the tables into *page*, between its marks."""
    text = page.read_text(encoding="utf-8")
    rows = settled(rows, text)
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page}: no {BEGIN} and {END}")
    sources = markdown(SOURCES, [source_row(brick) for brick in bricks])
    reports = "\n".join(map(reported, bricks))
    tables = counts(rows), markdown(HEADER, rows), "In the same order:", sources
    parts = mark, *tables, REPORTS, reports, end
    page.write_text(before + "\n\n".join(parts) + after, encoding="utf-8")

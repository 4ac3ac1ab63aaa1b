"""Table, details and picture, all made of the same outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path as File

from examples.strategies.cells import IMAGES, PARTS, STRATEGIES, Outcome

ROOT = File(__file__).parents[2]
DATA = File(__file__).with_name("table.json")
PAGE = ROOT / "docs/explanation/which-strategy-bricks-which-part.md"
PICTURE = ROOT / "docs/assets/strategies.svg"
BEGIN, END = "<!-- begin: made by make strategies -->", "<!-- end -->"

NAMES: Mapping[str, str] = {
    "overwrite": "overwrite with staging",
    "swap-scratch": "swap by scratch",
    "swap-move": "swap by move",
    "bank-swap": "A/B: remap, swap option",
    "copy": "copy to an execution slot",
    "option-toggle": "option toggle",
}
RANKS = ("failed", "known hazard", "not closed", "passed", "does not fit")
"""Of two images, the worse verdict is the cell's."""


def rows() -> list[tuple[str, str]]:
    """Strategies with their variants, in the order of the table."""
    return [(name, variant) for name, variants in STRATEGIES.items() for variant in variants]


def by_place(outcomes: Iterable[Outcome]) -> dict[tuple[str, str, str], list[Outcome]]:
    """Outcomes of both images by strategy, variant and part."""
    found: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        strategy, variant, part, _ = outcome.cell.split("/")
        found.setdefault((strategy, variant, part), []).append(outcome)
    return found


def worst(pair: Sequence[Outcome]) -> Outcome:
    """What stands in the picture; of two that failed, the one with fewer cuts."""
    return min(pair, key=lambda each: (RANKS.index(each.verdict), each.cuts or 0))


def in_short(outcome: Outcome) -> str:
    if outcome.cuts is None:
        return outcome.verdict
    cuts = "no cut" if outcome.cuts == 0 else f"{outcome.cuts} cut{'s' if outcome.cuts > 1 else ''}"
    return f"{outcome.verdict}: {cuts}, {outcome.question}"


# --- data


def save(outcomes: Iterable[Outcome]) -> str:
    values = [{name: getattr(each, name) for name in Outcome.__slots__} for each in outcomes]
    lines = ",\n".join(json.dumps(value) for value in values)
    return f"[\n{lines}\n]\n"


def load(text: str) -> list[Outcome]:
    return [Outcome(**{**one, "searched": tuple(one["searched"])}) for one in json.loads(text)]


# --- the page


def tables(outcomes: Sequence[Outcome]) -> str:
    """What stands between BEGIN and END."""
    return "\n".join([*_table(by_place(outcomes)), "", *_details(outcomes)])


def _table(places: Mapping[tuple[str, str, str], list[Outcome]]) -> Iterator[str]:
    parts = PARTS.values()
    yield f"| strategy | variant | {' | '.join(part.removeprefix('STM32') for part in parts)} |"
    yield "|---" * (len(PARTS) + 2) + "|"
    for strategy, variant in rows():
        key = variant_key(variant)
        cells = [_two(places[strategy, key, part]) for part in parts]
        yield f"| {NAMES[strategy]} | {variant} | {' | '.join(cells)} |"


def variant_key(variant: str) -> str:
    """As it stands in the name of a cell."""
    return "published" if variant == "as published" else variant


def _two(pair: Sequence[Outcome]) -> str:
    good, bad = (in_short(each) for each in pair)
    return good if good == bad else f"good: {good}<br>bad: {bad}"


def _details(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "## The shortest counterexamples"
    yield ""
    yield "| cell | cuts | what happens | replay |"
    yield "|---|---|---|---|"
    for each in outcomes:
        if each.path:
            yield f"| {each.cell} | {each.cuts} | {each.text} | `{each.cell}:{each.path}` |"
    unfit = sorted({each.text for each in outcomes if each.verdict == "does not fit"})
    yield ""
    yield "Does not fit: " + "; ".join(unfit) + "."
    yield ""
    yield "States by cuts in a row, of the cells in which nothing was found:"
    yield ""
    yield "| cell | states |"
    yield "|---|---|"
    passed = [each for each in outcomes if each.verdict in ("passed", "not closed")]
    for levels, group in groupby(passed, key=lambda each: each.searched):
        yield f"| {'<br>'.join(each.cell for each in group)} | {' '.join(map(str, levels))} |"


def with_tables(page: str, outcomes: Sequence[Outcome]) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables(outcomes)}\n\n{END}{after}"


def counts(outcomes: Sequence[Outcome]) -> str:
    """In one sentence, for whoever cannot see the picture."""
    found = [each.verdict for each in map(worst, by_place(outcomes).values())]
    sums = [f"{found.count(rank)} {rank}" for rank in RANKS if rank in found]
    return f"{len(found)} cells, {len(IMAGES)} searches each: {', '.join(sums)}."

"""Random bootloaders on four classes of parts: the search finds what ``brute_force`` finds.

``make bootloaders`` tries thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bootloaders import SILICON, Grammar
from compare_bootloaders import differences

SEEDS: dict[str, tuple[int, ...]] = {}
CASES = [(name, seed) for name, seeds in SEEDS.items() for seed in seeds]
ASKED = (
    "is", "match", "half", "tail", "unreadable", "same", "register", "counted", "bank", "loaded",
    "broken", "not", "and",
)  # fmt: skip
DONE = (
    "erase", "program", "fast", "if", "try", "load", "quiet", "sum", "count", "point", "map",
    "swap", "reset", "launch", "options",
)  # fmt: skip


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_the_search_finds_what_brute_force_finds(name: str, seed: int) -> None:
    assert list(differences(seed, name)) == []


def test_there_are_forty_of_each_class_and_every_kind_of_statement() -> None:
    assert SEEDS.keys() == SILICON.keys()
    assert all(len(set(seeds)) >= 40 for seeds in SEEDS.values())
    for name, seeds in SEEDS.items():
        words = {word for seed in seeds for word in words_of(Grammar(seed).program().block)}
        assert {*ASKED, *DONE} <= words, name


def words_of(statement: Any) -> Iterator[str]:
    """All that is a word in it, at any depth."""
    if isinstance(statement, str):
        yield statement
    elif isinstance(statement, tuple):
        for each in statement:
            yield from words_of(each)

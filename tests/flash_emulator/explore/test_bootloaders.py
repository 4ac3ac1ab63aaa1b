"""Random bootloaders on four classes of parts: the search finds what ``brute_force`` finds.

``make bootloaders`` tries thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from flash_emulator import Outcome
from flash_emulator.array.cells import Cells
from tests.flash_emulator.explore import compare_bootloaders
from tests.flash_emulator.explore.bootloaders import SILICON, Grammar
from tests.flash_emulator.explore.compare_bootloaders import differences
from tests.thorough import THOROUGH, one_in

SEEDS: dict[str, tuple[int, ...]] = {
    "ecc": (
        320, 325, 328, 329, 363, 402, 409, 421, 423, 433, 446, 482, 486, 500, 528, 543, 554,
        565, 573, 583, 587, 593, 612, 613, 617, 622, 628, 657, 1211, 1215, 1222, 1226, 1227,
        1235, 1243, 1244, 1258, 1269, 1293, 1296,
    ),
    "halfword": (
        307, 320, 324, 325, 327, 328, 329, 356, 358, 363, 401, 402, 407, 415, 1214, 1215, 1222,
        1223, 1224, 1226, 1227, 1231, 1234, 1245, 1248, 1255, 1256, 1258, 1259, 1260, 1261,
        1264, 1268, 1278, 1282, 1284, 1287, 1292, 1293, 1296,
    ),
    "clear-bits": (
        307, 320, 325, 327, 328, 338, 356, 362, 363, 401, 402, 407, 409, 413, 416, 1205, 1210,
        1215, 1222, 1223, 1224, 1226, 1227, 1228, 1234, 1240, 1245, 1246, 1248, 1256, 1258,
        1259, 1261, 1269, 1278, 1280, 1282, 1284, 1288, 1293,
    ),
    "flash-word": (
        307, 327, 356, 363, 409, 416, 423, 444, 470, 486, 490, 491, 492, 500, 501, 502, 507,
        513, 516, 528, 536, 541, 550, 562, 568, 606, 610, 612, 617, 628, 637, 647, 1205, 1224,
        1227, 1228, 1240, 1241, 1258, 1280,
    ),
}  # fmt: skip
# Small ones: what their states come to costs little.
CASES = [(name, seed) for name, seeds in SEEDS.items() for seed in seeds]
ASKED = (
    "is", "match", "half", "tail", "unreadable", "same", "register", "counted", "bank", "loaded",
    "broken", "not", "and",
)  # fmt: skip
DONE = (
    "erase", "program", "fast", "if", "try", "load", "quiet", "sum", "count", "point", "map",
    "swap", "reset", "launch", "options",
)  # fmt: skip


@pytest.mark.parametrize(("name", "seed"), one_in(3, CASES))
def test_the_search_finds_what_brute_force_finds(name: str, seed: int) -> None:
    assert list(differences(seed, name, in_time=THOROUGH)) == []


@pytest.mark.pure
def test_a_search_that_misses_looks_differs(monkeypatch: Any) -> None:
    monkeypatch.setattr(Cells, "look", lambda *_: None)
    assert any(list(differences(seed, "ecc", in_time=False)) for seed in SEEDS["ecc"])


def test_a_search_that_tries_too_few_outcomes_differs(monkeypatch: Any) -> None:
    few = replace(compare_bootloaders.ALL, outcomes=(Outcome.BEFORE, Outcome.AFTER))
    monkeypatch.setattr(compare_bootloaders.searched, "__defaults__", (few,))
    assert any(list(differences(seed, "ecc", in_time=False)) for seed in SEEDS["ecc"])


def test_there_are_forty_of_each_class_and_every_kind_of_statement() -> None:
    assert SEEDS.keys() == SILICON.keys()
    assert all(len(set(seeds)) >= 40 for seeds in SEEDS.values())
    words = {
        name: {word for seed in seeds for word in words_of(Grammar(seed).program().block)}
        for name, seeds in SEEDS.items()
    }
    assert all(set(DONE) <= found for found in words.values())
    assert set(ASKED) <= set.union(*words.values())


def words_of(statement: Any) -> Iterator[str]:
    """All that is a word in it, at any depth."""
    if isinstance(statement, str):
        yield statement
    elif isinstance(statement, tuple):
        for each in statement:
            yield from words_of(each)

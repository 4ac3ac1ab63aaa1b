"""Nothing is lost when the order of tests is changed; see ``tests/longest_first.py``."""

from __future__ import annotations

import pytest

from tests.longest_first import LONGEST, dealt
from tests.places import ROOT


def test_the_modules_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("short", [0, 5, 400])
def test_each_worker_begins_with_its_share_and_nothing_is_lost(workers: int, short: int) -> None:
    modules = [f"tests/{number % 9}.py" for number in range(short)]
    modules[short // 2 : short // 2] = [name for name in LONGEST for _ in range(3)]
    items = [(module, number) for number, module in enumerate(modules)]
    order = dealt(items, modules, workers)
    assert sorted(order) == sorted(items)
    if short < 400:
        return
    begin = 0
    for worker in range(workers):
        names = [module for module, _ in order[begin : begin + 3]]
        assert names == [LONGEST[worker]] * 3
        begin += (len(items) - begin) // (workers - worker)

"""Quick searches: single cuts within a budget, spread over the boot; what is left out is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise

import pytest

from flash_emulator.explore import Limits, Report, Search, SearchOptions
from mcu_updater.powerloss.quick import search_quickly
from tests.flash_emulator.evidence_toys import world

SINGLE = Limits(cuts=1)


def toy(name: str, options: SearchOptions) -> Report:
    return Search(*world({"toy": name}), options).run()


@cache
def at(name: str, *places: int) -> Report:
    return toy(name, SearchOptions(limits=SINGLE, places=frozenset(places)))


# --- cuts at some places


def test_what_is_not_cut_is_named() -> None:
    whole = toy("three copies", SearchOptions(limits=SINGLE, places=range(99)))
    assert (whole.places_cut, whole.uncut, whole.stopped_by) == (whole.places, (), "cuts")
    assert whole.left_out == ("two or more cuts in a row",)
    some = at("three copies", 0, 1, whole.places - 1)
    assert (some.places_cut, some.places, some.complete) == (3, whole.places, False)
    first_two = 1 + 63  # an erase, and the units of a program
    ((first, last),) = some.uncut
    assert (last, some.operations_first) == (whole.operations_first, whole.operations_first)
    assert first - 1 == sum(some.heat[0].values()) // len(some.outcomes) <= first_two + 1
    assert f"cuts in {last - first + 1:,} of {last:,} operations" in some.left_out[1]
    assert (
        some.bound == f"nothing after single cuts at 3 of {whole.places} places of the first boot"
    )


@pytest.mark.parametrize("name", ["two copies", "strict", "telling", "waiting", "late", "matching"])
def test_all_places_find_what_single_cuts_find(name: str) -> None:
    """Though no boot behind them is cut."""
    whole = toy(name, SearchOptions(limits=SINGLE))
    quick = toy(name, SearchOptions(limits=SINGLE, places=range(1000)))
    found = {(each.question, each.text, str(each.path)) for each in whole.violations}
    also = {(each.question, each.text, str(each.path)) for each in quick.violations}
    assert {each[:2] for each in also} == {each[:2] for each in found}
    assert also <= found
    assert not quick.complete and len(quick.levels) <= 2


def test_a_finding_needs_the_cut_at_its_place() -> None:
    whole = toy("waiting", SearchOptions(limits=SINGLE, places=range(99)))
    assert whole.violation_count
    assert not at("waiting", whole.places - 1).violation_count


# --- rounds


@dataclass
class Rounds:
    """A search of which each place takes a second, and one of which fails."""

    places: int
    bad: int = -1
    overhead_s: float = 0.5
    now_s: float = 0.0
    asked: list[list[int]] = field(default_factory=list)
    hung_s: set[float | None] = field(default_factory=set)

    def clock(self) -> float:
        return self.now_s

    def __call__(self, options: SearchOptions) -> Report:
        assert options.places is not None and options.limits.cuts == 1
        limit_s = options.limits.time_s
        assert limit_s is not None
        chosen = sorted(set(options.places) & set(range(self.places)))
        self.asked.append(chosen)
        self.hung_s.add(options.limits.patience_s)
        took_s = self.overhead_s + len(chosen)
        self.now_s += min(took_s, limit_s)
        report = at("copy", 0)
        return replace(
            report,
            places=self.places,
            places_cut=len(chosen),
            stopped_by="cuts" if took_s <= limit_s else "time",
            violation_count=int(self.bad in chosen and took_s <= limit_s),
        )


def fails(report: Report) -> bool:
    return report.violation_count > 0


def quickly(rounds: Rounds, budget_s: float, judge: Callable[[Report], bool] = fails) -> Report:
    return search_quickly(rounds, SearchOptions(), budget_s, judge, rounds.clock)


def test_rounds_grow_until_all_is_cut() -> None:
    rounds = Rounds(100)
    report = quickly(rounds, 1000)
    sizes = [len(each) for each in rounds.asked]
    assert sizes == [1, 8, 32, 100]
    assert (report.places_cut, report.stopped_by) == (100, "cuts")
    assert report.elapsed_s == sum(sizes) + 4 * rounds.overhead_s


def test_the_places_of_a_round_are_spread_and_hold_those_before() -> None:
    rounds = Rounds(1000)
    quickly(rounds, 200)
    for before, after in zip(rounds.asked[1:], rounds.asked[2:], strict=False):
        assert set(before) <= set(after)
    for chosen in rounds.asked[1:]:
        assert {0, 999} <= set(chosen)
        gaps = [b - a for a, b in pairwise(chosen)]
        assert max(gaps) <= 2 * 1000 / (len(chosen) - 1) + 1


@pytest.mark.parametrize("budget_s", [1, 2, 10, 11, 60])
def test_a_budget_is_kept_and_the_last_whole_round_counts(budget_s: float) -> None:
    rounds = Rounds(10_000)
    report = quickly(rounds, budget_s)
    assert rounds.now_s <= budget_s
    assert report.stopped_by == "time" and not report.complete
    done = [each for each in rounds.asked if len(each) + rounds.overhead_s <= budget_s]
    assert report.places_cut in [len(each) for each in (done or rounds.asked)]
    assert rounds.hung_s == {Limits(time_s=budget_s).patience_s}


@pytest.mark.parametrize("bad", [0, 99, 50, 31])
def test_it_ends_with_the_first_round_that_fails(bad: int) -> None:
    rounds = Rounds(100, bad)
    report = quickly(rounds, 1000)
    assert report.violation_count == 1
    assert bad in rounds.asked[-1]
    assert not any(bad in each for each in rounds.asked[:-1])


def test_a_known_hazard_does_not_end_it() -> None:
    rounds = Rounds(100, bad=0)
    report = quickly(rounds, 1000, lambda report: False)
    assert (report.places_cut, report.violation_count) == (100, 1)


@pytest.mark.parametrize("places", [1, 2, 3, 9])
def test_a_boot_with_few_places(places: int) -> None:
    rounds = Rounds(places)
    assert quickly(rounds, 1000).places_cut == places
    assert rounds.asked[-1] == list(range(places))

"""The growth report, on protocols that are known to be linear, quadratic and exponential."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from flash_emulator import Outcome
from flash_emulator.explore import Growth, Kind, Limits, SearchOptions, growth
from flash_emulator.explore.growth import judge
from tests.flash_emulator.explore.protocols import World, exponential, linear, quadratic

FEW = SearchOptions(outcomes=(Outcome.BEFORE, Outcome.TORN, Outcome.AFTER))
"""Enough to tear with: how many more states weak and metastable cells make does not matter here."""


def grown(make: Callable[[int], World], *sizes: int, options: SearchOptions = FEW) -> Growth:
    return growth(make, sizes or (2, 4, 8), options=options)


def test_one_that_begins_anew_after_each_cut_is_flat() -> None:
    found = grown(linear)
    assert found.kind is Kind.FLAT
    two, four, eight = (point.states_per_sector * point.sectors for point in found.points)
    assert (four - two) / 2 == pytest.approx((eight - four) / 4, rel=0.2)
    assert found.warning == ""


@pytest.mark.thorough
def test_one_with_a_log_of_the_last_attempt_grows() -> None:
    found = grown(quadratic)
    assert found.kind is Kind.GROWING
    assert "a second position survives" in found.warning


def test_one_that_skips_torn_records_explodes() -> None:
    found = grown(exponential, 2, 4, 6)
    assert found.kind is Kind.EXPLODING
    assert "torn records that are skipped" in found.warning
    assert "cuts in a row still leave something new (4, then 11)" in found.warning


def test_one_that_was_stopped_is_not_judged() -> None:
    found = grown(exponential, options=SearchOptions(limits=Limits(states=100)))
    assert found.kind is Kind.STOPPED
    assert [point.sectors for point in found.points] == [2]
    assert "2 sectors was stopped (states)" in found.warning


def test_the_table_has_a_line_for_each_size_and_the_judgement() -> None:
    lines = str(grown(linear)).splitlines()
    assert [line.split()[0] for line in lines] == ["sectors", "2", "4", "8", "growth:"]
    assert lines[-1] == "growth: flat."


SIZES = (2, 4, 8)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (Kind.FLAT, lambda n: 1000),
        (Kind.FLAT, lambda n: 1545 * n),
        (Kind.FLAT, lambda n: 5000 + 97 * n),
        (Kind.FLAT, lambda n: 100 * n - 3 * n * n // 2),
        (Kind.GROWING, lambda n: n * n),
        (Kind.GROWING, lambda n: 300 + 40 * n + 20 * n * n),
        (Kind.EXPLODING, lambda n: n**3),
        (Kind.EXPLODING, lambda n: 2**n),
        (Kind.EXPLODING, lambda n: 16 * 5**n + 400),
        (Kind.EXPLODING, lambda n: 100_000 + 2**n * 20),
    ],
)
def test_the_judgement_looks_at_what_a_sector_adds(kind: Kind, count: Callable[[int], int]) -> None:
    assert judge([(n, count(n)) for n in SIZES]) is kind


@pytest.mark.parametrize("counts", [[1352, 5072, 19952], [806, 10406, 250406]])
def test_measured_explosions(counts: Sequence[int]) -> None:
    """A weak page that stays (2, 4, 6 pages), a restart from page 0 (2, 4, 6 pages)."""
    assert judge(list(zip((2, 4, 6), counts, strict=True))) is Kind.EXPLODING


def test_measured_quadratic() -> None:
    """The page before the resume point is erased again: 32, 128, 512 pages."""
    assert judge([(32, 7368), (128, 65352), (512, 850248)]) is Kind.GROWING


@pytest.mark.parametrize("sizes", [(2, 4), (2, 4, 4), (8, 4, 2)])
def test_sizes_that_give_no_curve_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="three or more"):
        growth(linear, sizes)

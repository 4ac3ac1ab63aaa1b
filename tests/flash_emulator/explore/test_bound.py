"""How far a search came that was stopped."""

from dataclasses import replace

import pytest

from flash_emulator.explore import Limits, Search, SearchOptions
from tests.flash_emulator.explore.protocols import exponential

PARTLY = (
    "nothing after up to 1 cuts in a row; of what 2 cuts lead to, 50 of 200 states, 25%, were "
    "booted"
)


@pytest.mark.parametrize(
    ("levels", "booted", "complete", "bound"),
    [
        ((1,), 0, False, "not even the first boot was followed to its end with all its cuts"),
        ((1,), 1, False, "nothing after up to 0 cuts in a row"),
        ((1, 20), 20, False, "nothing after up to 1 cuts in a row"),
        (
            (1, 20, 200),
            50,
            False,
            PARTLY,
        ),
        ((1, 20), 20, True, "every state was booted"),
    ],
)
def test_the_bound_in_words(levels, booted, complete, bound):
    subject, flash, _ = exponential(1)
    report = Search(subject, flash).run()
    changed = replace(report, levels=levels, booted_last=booted, complete=complete)
    assert changed.bound == bound
    assert changed.passed is complete
    found = replace(changed, violation_count=3)
    assert found.bound == bound.replace("nothing", "3 findings")
    assert not found.passed


def test_a_limit_of_cuts_is_a_whole_level():
    subject, flash, _ = exponential(2)
    options = SearchOptions(limits=Limits(cuts=1))
    report = Search(subject, flash, options=options).run()
    assert not report.complete
    assert report.bound == "nothing after up to 1 cuts in a row"

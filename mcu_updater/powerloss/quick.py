"""Single cuts within a budget of time: what can be seen before a commit.

The first boot is cut at some places, spread evenly over it, and what that leaves is booted; then at
more places, until it was cut everywhere or the time is up. So also where a boot has thousands of
operations, all parts of it are looked at. The answer is that of the last round that came to its
end: it says where no cut was tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from flash_emulator.explore import Report, SearchOptions

_MOST, _LEAST = 4.0, 1.5  # how much a round may grow
_SHARE = 0.6  # of the time that is left, which a round may be planned to take

Round = Callable[[SearchOptions], Report]


def search_quickly(
    search: Round,
    options: SearchOptions,
    budget_s: float,
    fails: Callable[[Report], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """*search* runs one round. Ends early with the first one that *fails*; the report is never
    complete."""
    began_s, best, count = clock(), None, 1.0
    hung_s = replace(options.limits, time_s=budget_s).patience_s  # not that of the last second
    while True:
        left_s = budget_s - (clock() - began_s)
        limits = replace(options.limits, cuts=1, time_s=max(0.0, left_s), hung_s=hung_s)
        places = _places(best, int(count))
        report = search(replace(options, limits=limits, places=places))
        used_s = clock() - began_s
        if best is not None and report.stopped_by != "cuts" and not fails(report):
            return replace(best, stopped_by=report.stopped_by, elapsed_s=used_s)
        if report.stopped_by != "cuts" or fails(report) or report.places_cut >= report.places:
            return replace(report, elapsed_s=used_s)
        best, took_s = report, used_s - (budget_s - left_s)
        count *= _growth(took_s, budget_s - used_s) if count > 1 else 8
        if budget_s - used_s <= 0:
            return replace(best, stopped_by="time", elapsed_s=used_s)


def _growth(took_s: float, left_s: float) -> float:
    return min(_MOST, max(_LEAST, _SHARE * left_s / max(took_s, 1e-3)))


def _places(before: Report | None, count: int) -> frozenset[int] | range:
    """So many of the places that the round *before* has counted; the first one, where none was."""
    if before is None:
        return frozenset({0})
    if count >= before.places:
        return range(before.places)
    chosen = set[int]()
    spread = _spread(before.places)
    while len(chosen) < count:
        chosen.add(next(spread))
    return frozenset(chosen)


def _spread(size: int) -> Iterator[int]:
    """All of range(*size*): the last, the first, then evenly between those that were there."""
    yield size - 1
    bits = (size - 1).bit_length()
    for number in range(1 << bits):
        place = int(f"{number:0{bits}b}"[::-1], 2) if bits else 0
        if place < size - 1:
            yield place

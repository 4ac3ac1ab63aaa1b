"""Four ways to look for a brick, from the quickest to the one that leaves nothing out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from examples.hall_of_bricks.catalogue import Brick
from flash_emulator import Outcome
from flash_emulator.explore import Limits, Report, Search, SearchOptions

CLEAN = (Outcome.BEFORE, Outcome.AFTER)
MOST_STATES = 100_000


def _options(cuts: int | None, outcomes: tuple[Outcome, ...]) -> SearchOptions:
    limits = Limits(cuts=cuts, states=MOST_STATES, violations=1, boot_s=30)
    return SearchOptions(limits=limits, outcomes=outcomes)


METHODS = {
    "single clean": _options(1, CLEAN),
    "single torn": _options(1, tuple(Outcome)),
    "two cuts": _options(2, tuple(Outcome)),
    "closure": _options(None, tuple(Outcome)),
}
"""The same as ``mcu-updater firmware explore`` with ``--cuts 1 --outcomes before,after``, with
``--cuts 1``, with ``--cuts 2``, and without any. Each ends at the first violation, which is one
with the fewest cuts."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one method says of one program. *question*: what is violated, empty where nothing is."""

    question: str
    text: str
    path: str
    cuts: int
    is_complete: bool
    seconds: float

    @property
    def is_brick(self) -> bool:
        return bool(self.question)


def look(
    brick: Brick, which: str, method: str, outcomes: tuple[Outcome, ...] | None = None
) -> Found:
    """Search *which*, "brick" or "twin", by *method*; with fewer *outcomes* it is quicker."""
    options = METHODS[method]
    if outcomes is not None:
        options = replace(options, outcomes=outcomes)
    subject, flash = brick.world(which)
    began = time.process_time()
    report = Search(subject, flash, options=options).run()
    return _found(report, time.process_time() - began)


def _found(report: Report, seconds: float) -> Found:
    if not report.violations:
        return Found("", "", "", 0, report.complete, seconds)
    first = report.violations[0]
    cuts = len(first.path.cuts)
    return Found(first.question, first.text, str(first.path), cuts, report.complete, seconds)

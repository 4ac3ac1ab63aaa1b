"""Power loss, exhausted: every cut, every outcome, any number of times.

    from flash_emulator import EmulatedFlash, load_part
    from flash_emulator.explore import explore

    report = explore(EmulatedFlash(load_part("STM32L476xG")), boot, verdict)
    assert report.passed, report.violations[0]

A *state* is all that survives a cut. From each one the subject boots and runs to rest, and in every
operation on the way power is cut with every outcome; what that leaves are new states. Equal states
are merged. When none is left, **every** state that any number of cuts at any points can come to was
booted, and the verdict was asked of each.

**What is assumed.**

* The subject is deterministic in flash and external state. Checked: one state in 32 is booted
  twice.
* What it yields as memory is all that it holds in RAM. Checked: one join in 16 is followed on.
* What a cut leaves of a unit is drawn once for each place and outcome, from the device's seed
  (``SearchOptions.draws``: more often); other seeds are other searches. A torn unit is also left as
  each value that a boot compares it with, where its program may leave that, and as one that differs
  from it (``contents``). What is used otherwise than by equality depends on the draws, and
  ``Report.tried`` says how many cuts that concerns. Where nobody looks at what it left (found by
  trying), the state stands for every content, drawn or not.
* With ``merge``, a weak bit is metastable as soon as power goes, and its last stable state is the
  right one: it reads right in one boot, wrong in the next, in any order. The silicon's model lets
  it read right for the first boot at least, so a fault may be found a cut sooner, or one that
  needs a weak bit to turn within that boot. Without ``merge``, weak bits age as in the model.
* With ``merge``, a subject that has a ``representative`` is right in what it takes for as good as
  what: only one of them is booted. The report names that promise (``Report.rests_on``). Of each
  kind of such states the first in a batch, and one in 256, are booted side by side with what is
  booted in their place, and must do the same; the others are taken on trust. ``representatives``
  turned off boots them all.
* In one boot the metastable bits of a unit read all as they last were, or all the opposite; each
  unit by itself, in every combination that makes a difference. Not in all of them where a boot
  looks at many units: up to four are flipped at a time among the first four that it looked at (and
  that still are metastable), one up to the sixth; beyond, only all at once. How many boots had
  more to look at stands among the report's checks.
* Bits of one unit that read differently from one another are drawn, in one boot of each state that
  looks at any; and in one boot every unit turns whenever it was read: right when it is checked,
  wrong when it is used. Other orders of turning within a boot are not tried.
* An operation that was complete holds. ``SearchOptions.decays`` lets each cut make something of
  that weak, too (``flash_emulator.device.decay``).
* FLASH_OPSR, wear and time are not part of a state; ``ExternalState`` may hold time.
* Two states with equal digests of 128 bits are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.explore.batches import Processes
from flash_emulator.explore.growth import Growth, Kind, Point, growth
from flash_emulator.explore.path import Cut, Path
from flash_emulator.explore.replay import Film, Frame, PathLeft, replay, shrink
from flash_emulator.explore.report import (
    Check,
    Counterexample,
    Limits,
    Progress,
    Report,
    SelfCheckFailed,
    tag_of,
)
from flash_emulator.explore.search import ALL_METASTABLE_MODES, ALL_OUTCOMES, Search, SearchOptions
from flash_emulator.subject import (
    Boot,
    ExternalState,
    FunctionSubject,
    Nothing,
    Run,
    Subject,
    Violation,
    subject_of,
)

__all__ = [
    "ALL_METASTABLE_MODES",
    "ALL_OUTCOMES",
    "Boot",
    "Check",
    "Counterexample",
    "Cut",
    "ExternalState",
    "Film",
    "Frame",
    "FunctionSubject",
    "Growth",
    "Kind",
    "Limits",
    "Nothing",
    "Path",
    "PathLeft",
    "Point",
    "Processes",
    "Progress",
    "Report",
    "Run",
    "Search",
    "SearchOptions",
    "SelfCheckFailed",
    "Subject",
    "Violation",
    "explore",
    "growth",
    "replay",
    "shrink",
    "tag_of",
]


def explore(
    flash: EmulatedFlash,
    boot: Callable[[EmulatedFlash], Any] | Subject,
    verdict: Callable[[EmulatedFlash], object] | None = None,
    *,
    options: SearchOptions | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Boot *flash* under every cut. *flash* itself is not changed.

    *boot* gets a device that has just been powered on, and returns when it is at rest; *verdict*
    then raises Violation where the device is not as it must be. Both must be deterministic. Or it
    is a Subject, which judges by itself.
    *executor* is any ``concurrent.futures.Executor``; with one of other processes, functions must
    be picklable. The report does not depend on it.
    """
    subject = subject_of(boot, verdict)
    return Search(subject, flash, options=options, executor=executor, progress=progress).run()

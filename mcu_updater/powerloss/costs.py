"""What each scenario costs: how far an STM32L476xG with an image of 700 bytes goes, in one process.

Counts are exact for the version that measured them, and a hint for any other; seconds are CPU time
of a machine that was busy with other work. ``docs/explanation/powerloss.md`` has all parts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a search to its end."""

    states: int
    cuts: int
    seconds: float


COSTS: dict[str, Cost] = {
    "good": Cost(193, 205_638, 11),
    "alone": Cost(459, 415_062, 17),
    "reset": Cost(885, 444_780, 36),
    "fail": Cost(220, 202_254, 11),
    "crash": Cost(414, 323_616, 33),
    "crash-unknown": Cost(414, 323_616, 28),
    "never": Cost(414, 323_616, 28),
    "corrupt": Cost(152, 120_546, 7),
    "corrupt-md5": Cost(152, 120_546, 6),
    "second": Cost(109, 105_858, 6),
    "pieces": Cost(281, 514_968, 18),
    "confirmed-damaged": Cost(169, 171_690, 9),
    "confirmed-changed": Cost(169, 171_690, 9),
    "installed-damaged": Cost(169, 171_690, 10),
    "verified-alone": Cost(20, 10_212, 1),
    "trial-damaged": Cost(49, 28_512, 3),
    "trial-changed": Cost(49, 28_512, 2),
    "package": Cost(235, 470_280, 12),
    "signed": Cost(191, 203_298, 11),
    "signed-fail": Cost(218, 201_132, 13),
    "revoked": Cost(74, 52_392, 4),
    "unsigned": Cost(74, 52_392, 4),
    "signed-damaged": Cost(175, 194_850, 11),
    "signed-floor": Cost(175, 204_624, 11),
    "delta": Cost(191, 205_428, 7),
    "delta-pieces": Cost(279, 547_440, 16),
    "delta-base": Cost(333, 353_028, 17),
}

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
    "alone": Cost(465, 416_394, 24),
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
    "package": Cost(237, 470_724, 17),
    "signed": Cost(193, 203_742, 13),
    "signed-fail": Cost(220, 201_576, 12),
    "revoked": Cost(74, 52_392, 4),
    "unsigned": Cost(74, 52_392, 4),
    "signed-damaged": Cost(177, 195_294, 12),
    "signed-floor": Cost(177, 205_068, 14),
    "delta": Cost(193, 205_872, 12),
    "delta-pieces": Cost(281, 547_884, 20),
    "delta-base": Cost(335, 353_472, 21),
}

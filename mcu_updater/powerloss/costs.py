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
    "good": Cost(193, 146_676, 10),
    "alone": Cost(465, 342_966, 19),
    "reset": Cost(1267, 825_342, 61),
    "fail": Cost(220, 158_898, 11),
    "crash": Cost(414, 279_396, 18),
    "crash-unknown": Cost(414, 279_396, 20),
    "never": Cost(414, 279_396, 22),
    "corrupt": Cost(152, 106_782, 6),
    "corrupt-md5": Cost(152, 106_782, 6),
    "second": Cost(109, 77_046, 5),
    "pieces": Cost(281, 359_592, 18),
    "confirmed-damaged": Cost(169, 124_134, 8),
    "confirmed-changed": Cost(169, 124_134, 8),
    "installed-damaged": Cost(169, 124_134, 8),
    "verified-alone": Cost(20, 10_212, 1),
    "trial-damaged": Cost(49, 27_342, 2),
    "trial-changed": Cost(49, 27_342, 2),
    "package": Cost(237, 338_370, 15),
    "signed": Cost(193, 146_676, 11),
    "signed-fail": Cost(220, 158_898, 13),
    "revoked": Cost(74, 47_508, 4),
    "unsigned": Cost(74, 47_508, 4),
    "signed-damaged": Cost(177, 147_222, 11),
    "signed-floor": Cost(177, 149_490, 13),
    "delta": Cost(193, 146_676, 11),
    "delta-pieces": Cost(281, 383_244, 16),
    "delta-base": Cost(335, 251_682, 15),
}

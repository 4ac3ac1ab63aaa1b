"""What each scenario costs: how far an STM32L476xG with an image of 700 bytes goes, in one process.

Counts are exact for the version that measured them, and a hint for any other; seconds are CPU time
of a machine that was busy with other work. ``docs/powerloss.md`` has all parts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """*states*: None where nobody has waited for the end."""

    states: int | None
    cuts: int
    seconds: float


COSTS: dict[str, Cost] = {}

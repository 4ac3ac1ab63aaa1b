"""Hazards that a project knows of, and says so: they excuse what they explain, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flash_emulator.explore import Counterexample, Report
from flash_emulator.explore.campaign import Expectation


@dataclass(frozen=True, slots=True)
class KnownHazard:
    """*question*: that is violated; *text*: part of what is said of it, or nothing: any; *reason*:
    why it is no failure, for whoever reads a report."""

    question: str
    reason: str
    text: str = ""

    def explains(self, found: Counterexample) -> bool:
        return found.question == self.question and self.text in found.text


Expected = Callable[[Report], Expectation]


def with_known(hazards: Sequence[KnownHazard], otherwise: Expected) -> Expected:
    """What a search is expected to come to where *hazards* are known; *otherwise*: without them.

    A search that came to its end and found none of them is one that missed its hazard.
    """
    if not hazards:
        return otherwise

    def expected(report: Report) -> Expectation:
        unexplained = [
            found
            for found in report.violations
            if not any(hazard.explains(found) for hazard in hazards)
        ]
        if not unexplained:
            return Expectation.HAZARD
        count = len(unexplained)
        return otherwise(replace(report, violations=tuple(unexplained), violation_count=count))

    return expected


def unmet(hazards: Sequence[KnownHazard], report: Report) -> list[KnownHazard]:
    """Those that explain nothing of what was found."""
    return [
        hazard
        for hazard in hazards
        if not any(hazard.explains(found) for found in report.violations)
    ]


def excuse_of(hazards: Sequence[KnownHazard]) -> str:
    """Of all of them, for a report."""
    return "; ".join(dict.fromkeys(hazard.reason for hazard in hazards))

"""What the independent check of a certificate said, as a pack records it."""

from __future__ import annotations

from typing import Any

from flash_emulator.certificate_check import RunAgain, Verdict

_MOST = 20  # violations

CONFIRMED, SAMPLED, RUN_AGAIN = "confirmed", "sample holds", "search was stopped: run again in part"


def record_of(verdict: Verdict | RunAgain) -> dict[str, Any]:
    if isinstance(verdict, RunAgain):
        return {
            "kind": RUN_AGAIN,
            "states": verdict.states,
            "boots": verdict.boots,
            "head": verdict.head,
        }
    return {
        "kind": SAMPLED if verdict.is_sample else CONFIRMED,
        "checked": verdict.checked,
        "states": verdict.states,
        "cuts": verdict.cuts,
        "violations": verdict.violations,
        "first violations": [list(kind) for kind in verdict.kinds[:_MOST]],
        "left out": list(verdict.missing),
        "taken for granted": list(verdict.assumed),
        "head": verdict.head,
    }

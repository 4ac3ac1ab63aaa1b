"""What the independent check of a certificate said, as a pack records it."""

from __future__ import annotations

from typing import Any

from flash_emulator.certificate_check import RunAgain, Verdict

_MOST = 20  # violations

CONFIRMED, SAMPLED, RUN_AGAIN = "confirmed", "sample holds", "search was stopped: run again in part"


BY_SEED = {"boots of the second model": "replayed", "comparisons with the second model": "compared"}
BY_SAMPLE = {
    **BY_SEED,
    "checked": "checked",
    "cuts": "cuts",
    "boots not read in all ways": "left_out",
}
"""Numbers that depend on the seed, and on the sample: name in the record, name in ``Verdict``."""


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
        "boots not read in all ways": verdict.left_out,
        "boots of the second model": verdict.replayed,
        "comparisons with the second model": verdict.compared,
        "taken for granted": list(verdict.assumed),
        "head": verdict.head,
    }

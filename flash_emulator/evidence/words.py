"""The result in one sentence, the same wherever it stands."""

from __future__ import annotations

from flash_emulator.evidence.facts import Facts, Result


def headline(facts: Facts) -> str:
    """Begins with the result's own word."""
    totals, states = facts.certificate.totals, f"{facts.certificate.totals['states']:,} states"
    match facts.result:
        case Result.PASSED:
            return f"passed: all of {states} that cuts of power can come to were booted; no finding"
        case Result.NARROWER:
            left = "; ".join(facts.left_out)
            return f"narrower: all of {states} were booted, no finding; left out: {left}; no pass"
        case Result.INCOMPLETE:
            by = totals["stopped_by"]
            return f"incomplete: stopped by {by} after {states}; nothing is proved; no pass"
        case Result.FAILED:
            more = "" if totals["complete"] else f"; stopped by {totals['stopped_by']}"
            return f"failed: findings: {totals['violations']:,} in {states}{more}; no pass"

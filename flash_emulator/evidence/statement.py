"""The in-toto statement: v1, in-toto.io/Statement/v1, with the predicate test-result v0.1.

Subjects are the firmware files; ``configuration`` has every other file of the pack. A search that
was stopped is FAILED: the predicate knows no fourth result, and nobody may take it for a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flash_emulator.evidence import names
from flash_emulator.evidence.facts import Facts, Result
from flash_emulator.evidence.json_text import text_of

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"

_RESULTS = {
    Result.PASSED: "PASSED",
    Result.NARROWER: "WARNED",
    Result.INCOMPLETE: "FAILED",
    Result.FAILED: "FAILED",
}
_COMPLETE = "complete: every state that cuts can come to was booted"


def statement(facts: Facts, said: Mapping[str, str]) -> bytes:
    """*said*: digests of the page and of the CycloneDX file."""
    digests = {**facts.digests, **said}
    tested = sorted({image.file for image in facts.images if image.file is not None})
    tested = tested or [facts.board]
    others = [name for name in sorted(digests) if name not in tested]
    passed, warned, failed = _tests(facts)
    return text_of(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_descriptor(name, digests[name]) for name in tested],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "result": _RESULTS[facts.result],
                "configuration": [
                    _descriptor(name, digests[name])
                    | {"annotations": {"role": names.ROLES.get(name, "input")}}
                    for name in others
                ],
                "passedTests": passed,
                "warnedTests": warned,
                "failedTests": failed,
            },
        }
    )


def _descriptor(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}


def listed(value: Any) -> Iterator[tuple[str, str]]:
    """Name and digest of each file that a statement lists. Raises KeyError, TypeError."""
    for each in (*value["subject"], *value["predicate"]["configuration"]):
        yield str(each["name"]), str(each["digest"]["sha256"])


def _tests(facts: Facts) -> tuple[list[str], list[str], list[str]]:
    """Questions that were answered in every state, and those that some state answers wrongly. What
    a stopped search did not find is neither."""
    is_complete = bool(facts.certificate.totals["complete"])
    violated = list(facts.violated)
    held = [_COMPLETE, *(each for each in facts.questions if each not in violated)]
    if not is_complete:
        return [], [], [_COMPLETE, *violated]
    if facts.result is Result.NARROWER:
        return [], held, []
    return held, [], violated

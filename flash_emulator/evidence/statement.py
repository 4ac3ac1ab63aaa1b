"""The in-toto statement: v1, in-toto.io/Statement/v1, with the predicate test-result v0.1.

Subjects are the firmware files; ``configuration`` has every other file of the pack. A search that
was stopped is FAILED: the predicate knows no fourth result, and nobody may take it for a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
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


@dataclass(frozen=True, slots=True)
class Listed:
    """A file. *digest*: SHA-256; *size*: bytes, so that whoever checks reads no more of it."""

    digest: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> Listed:
        return cls(sha256(data).hexdigest(), len(data))


def statement(facts: Facts, said: Mapping[str, bytes]) -> bytes:
    """*said*: the page and the CycloneDX file."""
    files = {name: Listed(digest, facts.sizes[name]) for name, digest in facts.digests.items()}
    files |= {name: Listed.of(data) for name, data in said.items()}
    tested = sorted({image.file for image in facts.images if image.file is not None})
    tested = tested or [facts.board]
    others = [name for name in sorted(files) if name not in tested]
    passed, warned, failed = _tests(facts)
    return text_of(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_descriptor(name, files[name]) for name in tested],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "result": _RESULTS[facts.result],
                "configuration": [
                    _descriptor(name, files[name], role=names.ROLES.get(name, "input"))
                    for name in others
                ],
                "passedTests": passed,
                "warnedTests": warned,
                "failedTests": failed,
            },
        }
    )


def _descriptor(name: str, file: Listed, **more: str) -> dict[str, Any]:
    notes = {"bytes": file.size, **more}
    return {"name": name, "digest": {"sha256": file.digest}, "annotations": notes}


def listed(value: Any) -> Iterator[tuple[str, Listed]]:
    """Each file that a statement lists. Raises KeyError, TypeError, ValueError."""
    for each in (*value["subject"], *value["predicate"]["configuration"]):
        size = each["annotations"]["bytes"]
        if type(size) is not int or size < 0:
            raise ValueError(f"{size!r} is no number of bytes")
        yield str(each["name"]), Listed(str(each["digest"]["sha256"]), size)


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

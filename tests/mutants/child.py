"""One stricter check on one copy of the packages: runs in a process of its own.

    PYTHONPATH=COPY:. python -m tests.mutants.child COPY CHECK

Says in JSON what came of it, in the words of ``mcu-updater powerloss --json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path as File
from typing import Any

import flash_emulator
import mcu_updater
from flash_emulator.explore import Path, SelfCheckFailed
from tests.mutants.scenarios import MOST_STATES, Check, checks

EXPLODES = f"cuts come to more than {MOST_STATES} states: what they leave is not cleaned up"


def outcome_of(check: Check) -> dict[str, Any]:
    """*error*: why the search cannot be believed; *stopped_by*: which limit ended it."""
    said: dict[str, Any] = {"error": "", "stopped_by": "", "counterexamples": []}
    try:
        report = check.run()
    except SelfCheckFailed as failed:
        return said | {"error": str(failed), "counterexamples": _at_once(check)}
    if report.stopped_by == "states":
        said["counterexamples"] = [_found(check, "canonical", EXPLODES, Path())]
    said["counterexamples"] += [
        _found(check, found.question, found.text, found.path, found.trace)
        for found in report.violations
    ]
    return said | {"stopped_by": report.stopped_by}


def _at_once(check: Check) -> list[dict[str, str]]:
    """What is violated before the first operation: then nothing was cut, and no search counts."""
    violation = check.film(Path()).violation
    return [] if violation is None else [_found(check, *violation, Path())]


def _found(check: Check, question: str, text: str, path: Path, trace: str = "") -> dict[str, str]:
    replay = f"{check.scenario.id}:{path}"
    said = {"question": question, "text": text, "path": str(path), "trace": trace}
    return said | {"replay_id": replay}


def main(copy: str, name: str) -> None:
    for package in (mcu_updater, flash_emulator):
        assert package.__file__ is not None
        home = File(package.__file__).resolve().parents[1]
        assert home == File(copy).resolve(), f"{package.__name__} is not the copy's: {home}"
    check = next(check for check in checks() if check.name == name)
    print(json.dumps(outcome_of(check)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

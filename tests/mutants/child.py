"""One copy of the packages, held against the checks: runs in a process of its own.

    PYTHONPATH=COPY:tests python -m mutants.child COPY VIOLATIONS CHECK ...

Says in JSON, one object a line, what came of each check; stops at the first finding.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path as File
from typing import Any

from mutants.scenarios import MOST_STATES, Check, checks

import flash_emulator
import mcu_updater
from flash_emulator.explore import Path, SelfCheckFailed

EXPLODES = f"cuts come to more than {MOST_STATES} states: what they leave is not cleaned up"


def outcome_of(check: Check) -> dict[str, Any]:
    """*found* is empty where the check finds nothing; *question* and *replay* say more."""
    began_s = time.monotonic()
    said: dict[str, Any] = {"check": check.name, "found": "", "question": "", "replay": ""}
    try:
        report = check.run()
    except SelfCheckFailed as failed:
        said |= {"question": "self-check", "found": str(failed)} | _at_once(check)
    except Exception as error:
        said |= {"question": "set-up", "found": f"{type(error).__name__}: {error}"}
    else:
        said |= {"states": report.states, "boots": report.boots, "stopped_by": report.stopped_by}
        if report.stopped_by == "states":
            said |= {"question": "canonical", "found": EXPLODES}
        if report.violations:
            first = report.violations[0]
            replay = f"{check.scenario.id}:{first.path}"
            said |= {"question": first.question, "found": first.text, "replay": replay}
    return said | {"elapsed_s": round(time.monotonic() - began_s, 2)}


def _at_once(check: Check) -> dict[str, str]:
    """What is violated before the first operation: then nothing was cut, and no search counts."""
    violation = check.film(Path()).violation
    if violation is None:
        return {}
    question, found = violation
    return {"question": question, "found": found, "replay": f"{check.scenario.id}:{Path()}"}


def main(copy: str, *names: str) -> None:
    for package in (mcu_updater, flash_emulator):
        assert package.__file__ is not None
        home = File(package.__file__).resolve().parents[1]
        assert home == File(copy).resolve(), f"{package.__name__} is not the copy's: {home}"
    known = {check.name: check for check in checks()}
    for name in names:
        said = outcome_of(known[name])
        print(json.dumps(said), flush=True)
        if said["found"]:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])

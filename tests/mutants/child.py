"""One copy of the packages, held against the checks: runs in a process of its own.

    PYTHONPATH=COPY:tests python -m mutants.child COPY VIOLATIONS CHECK ...

Says in JSON, one object a line, what came of each check; stops at the first finding.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from mutants.scenarios import Check, checks

import flash_emulator
import mcu_updater
from flash_emulator.explore import SelfCheckFailed


def outcome_of(check: Check) -> dict[str, Any]:
    """*found* is empty where the check finds nothing; *question* and *replay* say more."""
    began_s = time.monotonic()
    said: dict[str, Any] = {"check": check.name, "found": "", "question": "", "replay": ""}
    try:
        report = check.run()
    except SelfCheckFailed as failed:
        said |= {"question": "self-check", "found": str(failed)}
    except Exception as error:
        said |= {"question": "set-up", "found": f"{type(error).__name__}: {error}"}
    else:
        said |= {"states": report.states, "boots": report.boots, "stopped_by": report.stopped_by}
        if report.violations:
            first = report.violations[0]
            replay = f"{check.scenario.id}:{first.path}"
            said |= {"question": first.question, "found": first.text, "replay": replay}
    return said | {"elapsed_s": round(time.monotonic() - began_s, 2)}


def main(copy: str, *names: str) -> None:
    for package in (mcu_updater, flash_emulator):
        assert package.__file__ is not None
        home = Path(package.__file__).resolve().parents[1]
        assert home == Path(copy).resolve(), f"{package.__name__} is not the copy's: {home}"
    known = {check.name: check for check in checks()}
    for name in names:
        said = outcome_of(known[name])
        print(json.dumps(said), flush=True)
        if said["found"]:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])

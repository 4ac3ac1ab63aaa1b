"""Are seeded faults found, and by what? Runs ``faults.toml`` and prints what found each one.

    python -m tests.mutants.run [--list] [--jobs N] [--scope named|all] [--table FILE] [FAULT ...]

First the control: the updater as it is must pass everything that a fault is held against. Then each
fault is put into a temporary copy of the packages, which is held against what it names: the command
as it is shipped, stricter checks, tests.

A fault is found by a violation that takes a power cut; by one that takes none, or by a search that
says that a promise of the updater does not hold, where the fault says why that counts; by a test
that fails. It is never found by an error that a wrong Python program makes (TypeError and the like:
the edit is broken), nor by a limit that ends a search. What a run has found is remembered as long
as neither the packages nor the tests change: a run that was interrupted goes on. Exit code 1 where
a fault survives, 3 where the control does not pass, 4 where an edit is broken or an unmarked
finding takes no cut.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.mutants.faults import COPIED, Fault, copy_to, load
from tests.mutants.hold import By, Finder, Finding, Kind, everything, finders_of, hold
from tests.mutants.table import Row, write_table
from tests.places import ROOT

CONTROLS = ROOT / ".cache" / "mutants" / "controls.json"
RESULTS = CONTROLS.with_name("results.json")
SURVIVED, CONTROL_FAILED, DEFECT = 1, 3, 4
DEFECTS = (Kind.BROKEN, Kind.AT_ONCE, Kind.GROWTH)
"""What ends the search for a finder: the fault must be mended, or say why that counts."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What found a fault, or what its last finder said. *by* is NOTHING where nothing did."""

    fault: Fault
    by: By
    finder: Finder
    finding: Finding
    elapsed_s: float = 0.0

    @property
    def row(self) -> Row:
        """Of the page of results."""
        return self.fault, self.by, self.finder, self.finding

    @property
    def is_defect(self) -> bool:
        """Whether the fault itself must be mended, before it says anything."""
        return self.by is By.NOTHING and self.finding.kind in DEFECTS


def find(fault: Fault, scope: str = "named") -> Caught:
    """Hold *fault* against what may find it, until something does or its edit proves broken."""
    began_s = time.monotonic()
    finders = everything(fault) if scope == "all" else finders_of(fault)
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy_to(Path(name), fault)
        for finder in finders:
            finding = hold(Path(name), finder)
            counted = counts(fault, finding)
            if counted or finding.kind in DEFECTS:
                break
    by = finder.by if counted else By.NOTHING
    return Caught(fault, by, finder, finding, time.monotonic() - began_s)


def counts(fault: Fault, finding: Finding) -> bool:
    """Whether *fault* is found by that."""
    match finding.kind:
        case Kind.FOUND:
            return True
        case Kind.AT_ONCE:
            return bool(fault.without_cut)
        case Kind.GROWTH:
            return bool(fault.growth)
        case Kind.PROMISE:
            return bool(fault.promise)
    return False


# --- the control


def control(finders: Sequence[Finder], jobs: int) -> list[str]:
    """What is wrong with *finders* themselves: all that they find without a fault.

    What has passed is remembered as long as neither the packages nor this folder change.
    """
    key, known = _state_of_the_code(), _remembered(CONTROLS)
    left = [finder for finder in finders if known.get(str(finder)) != key]
    with ThreadPoolExecutor(jobs) as pool:
        found = dict(zip(left, pool.map(_without_fault, left), strict=True))
    passed = {str(f): key for f, finding in found.items() if finding.kind is Kind.NOTHING}
    _remember(CONTROLS, known | passed)
    return [
        f"{finder}: {finding.kind}: {finding.question} {finding.text} {finding.replay}"
        for finder, finding in found.items()
        if finding.kind is not Kind.NOTHING
    ]


def _without_fault(finder: Finder) -> Finding:
    with tempfile.TemporaryDirectory(prefix="control-") as folder:
        copy_to(Path(folder), None)
        return hold(Path(folder), finder)


def _remembered(file: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return known


def _remember(file: Path, known: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(known, indent=1))


def _state_of_the_code() -> str:
    digest = hashlib.sha256()
    for path in _files():
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    for folder in (*COPIED, "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in (".py", ".json", ".toml"):
                yield path


# --- the command


def main() -> int:
    options = _options()
    chosen = [fault for fault in load() if not options.faults or fault.name in options.faults]
    if options.list:
        print("\n".join(map(_entry, chosen)))
        return 0
    began_s = time.monotonic()
    wrong = [] if options.no_control else control(_needed(chosen, options.scope), options.jobs)
    if wrong:
        print("\n".join(wrong))
        return CONTROL_FAILED
    print(f"control: everything passes without a fault, {time.monotonic() - began_s:.0f} s")
    results = list(_results(chosen, options.scope, options.jobs))
    print(f"{_sum_of(results)}; {time.monotonic() - began_s:.0f} s")
    if options.table:
        write_table(options.table, [each.row for each in results])
    if any(caught.is_defect for caught in results):
        return DEFECT
    return SURVIVED if any(caught.by is By.NOTHING for caught in results) else 0


def _needed(faults: Sequence[Fault], scope: str) -> list[Finder]:
    order = everything if scope == "all" else finders_of
    return list(dict.fromkeys(finder for fault in faults for finder in order(fault)))


def _results(faults: Sequence[Fault], scope: str, jobs: int) -> Iterator[Caught]:
    """Those that are remembered first. Each of the others is remembered when it is done."""
    key, known = f"{scope} {_state_of_the_code()}", _remembered(RESULTS)
    left = []
    for fault in faults:
        caught = _caught_before(fault, known.get(fault.name), key)
        if caught is None:
            left.append(fault)
        else:
            print(f"{line_of(caught)}  (remembered)", flush=True)
            yield caught
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(find, fault, scope) for fault in left]):
            caught = done.result()
            known[caught.fault.name] = {**asdict(caught), "fault": "", "key": key}
            _remember(RESULTS, known)
            print(line_of(caught), flush=True)
            yield caught


def _caught_before(fault: Fault, entry: dict[str, Any] | None, key: str) -> Caught | None:
    if entry is None or entry["key"] != key:
        return None
    finder = Finder(By(entry["finder"]["by"]), entry["finder"]["what"])
    finding = Finding(**{**entry["finding"], "kind": Kind(entry["finding"]["kind"])})
    return Caught(fault, By(entry["by"]), finder, finding, entry["elapsed_s"])


def _sum_of(results: Sequence[Caught]) -> str:
    by = Counter(caught.by for caught in results)
    defects = sum(caught.is_defect for caught in results)
    words = [f"{by[each]} by {each}" for each in By]
    return f"{len(results)} faults: found {', '.join(words)}; defects of the list: {defects}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="by name; without any, all")
    parser.add_argument("--list", action="store_true", help="what there is, and who made it first")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--scope",
        choices=["named", "all"],
        default="named",
        help="what to hold a fault against: what it names; or all commands and quick checks, too",
    )
    parser.add_argument("--no-control", action="store_true")
    parser.add_argument("--table", type=Path, metavar="FILE", help="put the results into this page")
    return parser.parse_args()


def _entry(fault: Fault) -> str:
    lines = [fault.name, fault.what, fault.origin, *map(str, finders_of(fault))]
    return "\n    ".join([*lines, *([f"why: {fault.why}"] if fault.why else [])])


def line_of(caught: Caught) -> str:
    finding = caught.finding
    by = str(caught.by) if caught.by is not By.NOTHING else f"SURVIVED ({finding.kind})"
    how = finding.replay or finding.text
    return f"{caught.fault.name:46} {by:18} {finding.question:9} {caught.elapsed_s:6.1f} s  {how}"


if __name__ == "__main__":
    sys.exit(main())

"""Are seeded faults found? Runs ``faults.toml`` and prints what found each one.

    python -m mutants.run [--list] [--jobs N] [--all] [--control-only] [FAULT ...]

First the control: the updater as it is must pass every check. Then each fault is put into a
temporary copy of the packages, which is held against the quick checks, the cheapest first, then
against the slow one that the fault names, then against the tests that it names, until something
finds it. Exit code 1 where a fault survives, 3 where the control does not pass.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from shutil import copytree

from mutants.faults import ROOT, Fault, copy_to, load
from mutants.scenarios import checks

PATIENCE_S = 900.0  # of one process: a fault may let the updater run for ever
TESTS = "tests"
BROKEN = "broken"
SURVIVED, CONTROL_FAILED = 1, 3


class Scope(StrEnum):
    """How much a fault is held against."""

    EXPECTED = "expected"  # what the fault names
    QUICK = "quick"  # that, and then all quick checks
    WIDE = "wide"  # all quick checks, and then that
    ALL = "all"  # all checks


@dataclass(frozen=True, slots=True)
class Caught:
    """What found a fault; *by* is empty where nothing did."""

    fault: Fault
    by: str
    question: str = ""
    text: str = ""
    replay: str = ""
    elapsed_s: float = 0.0


def order(fault: Fault, scope: Scope) -> list[str]:
    """What to hold *fault* against, one after the other; "tests" among them."""
    quick = [check.name for check in checks() if not check.slow]
    slow = [check.name for check in checks() if check.slow]
    match scope:
        case Scope.EXPECTED:
            return [fault.caught_by]
        case Scope.QUICK:
            names = [fault.caught_by, *quick]
        case Scope.WIDE:
            names = [*quick, fault.caught_by]
        case Scope.ALL:
            names = [*quick, *slow]
    return list(dict.fromkeys([*names, *([TESTS] if fault.tests else [])]))


def hold(folder: Path, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Run the checks *names* on the copy in *folder*; yield what each one says."""
    done = _run(folder, "mutants.child", str(folder), *names)
    for line in done.stdout.splitlines():
        yield json.loads(line)
    if done.returncode:
        wrong = f"the checks ended with {done.returncode}: {done.stderr.strip()[-400:]}"
        yield {"check": "", "question": BROKEN, "found": wrong, "replay": ""}


def _run(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m`` in another process that imports what is in *folder*."""
    path = os.pathsep.join([str(folder), str(ROOT / "tests")])
    command = [sys.executable, "-m", module, *arguments]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"no end after {PATIENCE_S:.0f} s")


def find(fault: Fault, scope: Scope = Scope.EXPECTED) -> Caught:
    """Hold *fault* against what may find it, until something does."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copy_to(folder, fault)
        said = next(_findings(fault, folder, order(fault, scope)), _NOTHING)
    found = said["check"], said["question"], said["found"], said["replay"]
    return Caught(fault, *found, time.monotonic() - began_s)


_NOTHING = dict.fromkeys(("check", "question", "found", "replay"), "")


def _findings(fault: Fault, folder: Path, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """What finds *fault* in *folder*; *names* are gone through in their order."""
    at = names.index(TESTS) if TESTS in names else len(names)
    for names_of_checks, tests in ((names[:at], fault.tests), (names[at + 1 :], ())):
        if names_of_checks:
            yield from (said for said in hold(folder, names_of_checks) if said["found"])
        if tests and (failed := _failed_test(folder, tests)):
            yield _NOTHING | {"check": TESTS, "found": failed}


def _failed_test(folder: Path, tests: Sequence[str]) -> str:
    """The first of *tests* that fails in *folder*; empty where none does."""
    for part in ("tests", "fixtures"):
        copytree(ROOT / part, folder / part)
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    options = ["-x", "-q", "-n0", "-p", "no:cacheprovider", f"--rootdir={folder}", "--tb=no"]
    done = _run(folder, "pytest", *options, *tests)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest {tests} ended with {done.returncode}: {done.stdout}")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return failed[0].removeprefix("FAILED ").partition(" - ")[0] if failed else ""


# --- the control


def control(faults: Sequence[Fault], jobs: int) -> list[str]:
    """What is wrong with the checks and tests themselves: all that they find without a fault."""
    names = [check.name for check in reversed(checks())]
    tests = dict.fromkeys(fault.tests for fault in faults if fault.tests)
    with ThreadPoolExecutor(jobs) as pool:
        wrong = [*pool.map(_control_of_check, names), *pool.map(_control_of_tests, tests)]
    return [line for line in wrong if line]


def _control_of_check(name: str) -> str:
    with tempfile.TemporaryDirectory(prefix="control-") as folder:
        copy_to(Path(folder), None)
        return "".join(map(_wrong, hold(Path(folder), [name])))


def _control_of_tests(tests: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory(prefix="control-") as folder:
        copy_to(Path(folder), None)
        failed = _failed_test(Path(folder), tests)
    return f"{failed} fails without a fault" if failed else ""


def _wrong(said: Mapping[str, str]) -> str:
    """What a check of the control says that it must not say; empty where all is well."""
    if said["found"]:
        return f"{said['check']}: {said['question']}: {said['found']} [{said['replay']}]"
    unfinished = said["stopped_by"] not in ("", "cuts")
    return f"{said['check']}: stopped by {said['stopped_by']}" if unfinished else ""


# --- the command


def main() -> int:
    options = _options()
    chosen = [fault for fault in load() if not options.faults or fault.name in options.faults]
    if options.list:
        print("\n".join(_entry(fault) for fault in chosen))
        return 0
    began_s = time.monotonic()
    if not options.no_control:
        wrong = control(chosen, options.jobs)
        took = f"{time.monotonic() - began_s:.0f} s"
        print("\n".join(wrong) or f"control: everything passes without a fault, {took}", flush=True)
        if wrong:
            return CONTROL_FAILED
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        under_way = [pool.submit(find, fault, Scope(options.scope)) for fault in chosen]
        for done in as_completed(under_way):
            results.append(done.result())
            print(line_of(results[-1]), flush=True)
    tests, survivors = (sum(c.by == by for c in results) for by in (TESTS, ""))
    print(
        f"{len(results)} faults: {len(results) - tests - survivors} found by power cuts, "
        f"{tests} by tests alone, {survivors} by nothing; {time.monotonic() - began_s:.0f} s"
    )
    return SURVIVED if survivors else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="by name; without any, all")
    parser.add_argument("--list", action="store_true", help="what there is, and who made it first")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--scope", choices=[str(scope) for scope in Scope], default="quick")
    parser.add_argument("--no-control", action="store_true")
    return parser.parse_args()


def _entry(fault: Fault) -> str:
    lines = [fault.name, fault.what, fault.origin, f"found by: {fault.caught_by}"]
    return "\n    ".join([*lines, *([f"tests: {fault.why_tests}"] if fault.why_tests else [])])


def line_of(caught: Caught) -> str:
    by = f"{caught.by}: {caught.question}" if caught.question else caught.by or "SURVIVED"
    expected = caught.fault.caught_by
    note = "" if caught.by == expected else f"  (expected: {expected})"
    how = caught.replay or caught.text
    return f"{caught.fault.name:44} {by:24} {caught.elapsed_s:6.1f} s  {how}{note}"


if __name__ == "__main__":
    sys.exit(main())

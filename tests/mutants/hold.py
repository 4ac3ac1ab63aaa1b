"""Holds a copy of the packages against what may find a fault in it, and judges what that says.

Three things may: the command as it is shipped, the stricter checks of ``scenarios``, and tests.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from shutil import copy, copytree
from typing import Any

from tests.mutants.faults import Fault
from tests.mutants.scenarios import checks
from tests.places import ROOT

PATIENCE_S = 1200.0  # of one process: a fault may let the updater run for ever
LIMITS = ("--states", "8000", "--time", "600")  # the updater as it is needs a quarter of them
STRICTER = frozenset({"--no-representatives", "--brute-force"})
NOT_PASSED = 7  # exit code of the command

SLIPS = frozenset(
    error.__name__
    for error in (
        *(TypeError, NameError, UnboundLocalError, AttributeError, IndexError, KeyError),
        *(SyntaxError, IndentationError, ImportError, ModuleNotFoundError),
        *(NotImplementedError, RecursionError, ZeroDivisionError),
    )
) | {"struct.error"}
"""Errors of a Python program that is wrong as a program. Firmware has none of them, so an edit that
is found by one shows nothing."""


class By(StrEnum):
    """What finds a fault."""

    COMMAND = "command"
    CHECK = "stricter check"
    TESTS = "tests"
    NOTHING = "nothing"


class Kind(StrEnum):
    """What came of one search, or of the tests."""

    NOTHING = "nothing found"
    FOUND = "found"
    AT_ONCE = "found without a cut"
    GROWTH = "more states than there may be"
    PROMISE = "a promise of the subject does not hold"
    LIMIT = "stopped by a limit"
    DOUBT = "search not to be believed"
    BROKEN = "broken edit"


@dataclass(frozen=True, slots=True)
class Finder:
    """Something to hold a copy against. *what*: arguments, name of a check, or tests."""

    by: By
    what: str

    def __str__(self) -> str:
        return f"{self.by}: {self.what}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a finder says of one copy."""

    kind: Kind
    question: str = ""
    text: str = ""
    replay: str = ""


def finders_of(fault: Fault) -> list[Finder]:
    """What *fault* names."""
    named = (
        (By.COMMAND, fault.command),
        (By.CHECK, fault.check),
        (By.TESTS, shlex.join(fault.tests)),
    )
    return [Finder(by, what) for by, what in named if what]


def hold(folder: Path, finder: Finder) -> Finding:
    """Run *finder* on the copy in *folder*."""
    match finder.by:
        case By.COMMAND:
            return by_command(_run(folder, "mcu_updater", *command_line(finder.what)))
        case By.CHECK if is_command(finder.what):
            return by_command(_run(folder, "mcu_updater", *command_line(finder.what)))
        case By.CHECK:
            return by_check(_run(folder, "tests.mutants.child", str(folder), finder.what))
        case _:
            return _by_tests(folder, shlex.split(finder.what))


def is_command(check: str) -> bool:
    """Whether a stricter check is the command, with a switch that makes it so."""
    return not STRICTER.isdisjoint(shlex.split(check))


def command_line(what: str) -> list[str]:
    """The arguments of ``mcu-updater`` for *what* a fault names as its command."""
    scenario, *rest = shlex.split(what)
    shown = ["--jobs", "1", "--quiet", "--json"]
    return ["powerloss", "--scenario", scenario, *rest, *LIMITS, *shown]


def _run(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m`` in another process that imports what is in *folder*; tests in full."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    command = [sys.executable, "-m", module, *arguments]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "MCU_UPDATER_THOROUGH": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"no end after {PATIENCE_S:.0f} s")


# --- what it says


def by_command(done: subprocess.CompletedProcess[str]) -> Finding:
    """A finding takes exit code 7 and a counterexample; nothing else is one."""
    if done.returncode not in (0, 2, NOT_PASSED) or not done.stdout.strip():
        return _no_answer(done)
    (result,) = json.loads(done.stdout)["results"]
    if done.returncode == 0:
        return Finding(Kind.NOTHING)
    report = result["report"] or {"stopped_by": ""}
    found = result["counterexamples"] if done.returncode == NOT_PASSED else []
    return judged(found, result["error"], report["stopped_by"])


def by_check(done: subprocess.CompletedProcess[str]) -> Finding:
    if done.returncode or not done.stdout.strip():
        return _no_answer(done)
    said = json.loads(done.stdout.splitlines()[-1])
    return judged(said["counterexamples"], said["error"], said["stopped_by"])


def judged(found: list[Mapping[str, Any]], error: str, stopped_by: str) -> Finding:
    """The first of what was *found*, if it counts; else why the search says nothing."""
    for first in found[:1]:
        question, text, path = first["question"], first["text"], first["path"]
        about = question, text, first["replay_id"]
        if question == "canonical":
            return Finding(Kind.GROWTH, *about)
        if is_slip(first["trace"] or text):
            return Finding(Kind.BROKEN, *about)
        return Finding(Kind.AT_ONCE if path.startswith("-") else Kind.FOUND, *about)
    if error:
        kind = Kind.PROMISE if "representative" in error else Kind.DOUBT
        return Finding(kind, "promise" if kind is Kind.PROMISE else "", error)
    if stopped_by not in ("", "cuts"):
        return Finding(Kind.LIMIT, text=stopped_by)
    return Finding(Kind.NOTHING)


def is_slip(text: str) -> bool:
    """Whether *text*, a traceback or a sentence of what a boot ended in, tells of one of SLIPS."""
    last = text.strip().splitlines()[-1] if text.strip() else ""
    name = last.removeprefix("the boot ended in ").partition(":")[0].strip()
    return name in SLIPS


def _no_answer(done: subprocess.CompletedProcess[str]) -> Finding:
    """It never came to a search, for the scenario could not be set up. That takes no cut."""
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    kind = Kind.BROKEN if is_slip(lines[-1]) else Kind.AT_ONCE
    if done.returncode == -1:
        kind = Kind.LIMIT
    return Finding(kind, "set-up", lines[-1])


def _by_tests(folder: Path, tests: list[str]) -> Finding:
    """The first of *tests* that fails in *folder*."""
    for part in ("tests", "fixtures", "docs"):
        copytree(ROOT / part, folder / part, dirs_exist_ok=True)
    for file in (ROOT / "pyproject.toml", *ROOT.glob("*.md")):  # some hold a page against the code
        copy(file, folder)
    options = ["-x", "-q", "-n0", "-p", "no:cacheprovider", f"--rootdir={folder}", "--tb=no"]
    done = _run(folder, "pytest", *options, *tests)
    if done.returncode not in (0, 1):
        return Finding(Kind.BROKEN, text=f"pytest ended with {done.returncode}: {done.stdout}")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if not failed:
        return Finding(Kind.NOTHING)
    name, _, why = failed[0].partition(" ")[2].partition(" - ")
    return Finding(Kind.BROKEN if is_slip(why) else Kind.FOUND, text=name)


def everything(fault: Fault) -> list[Finder]:
    """All commands that faults name first, the cheapest first, then checks, then its tests."""
    named = finders_of(fault)
    commands = [Finder(By.COMMAND, what) for what in COMMANDS]
    quick = [Finder(By.CHECK, check.name) for check in checks() if not check.slow]
    ranked = [*commands, *quick, *named]
    order = list(By)
    return sorted(dict.fromkeys(ranked), key=lambda finder: order.index(finder.by))


COMMANDS = (
    "good --size 700",
    "second --size 700",
    "fail --size 700",
    "crash --size 700",
    "pieces --size 700",
    "corrupt --size 700",
    "refused",
    "stuck",
    "good",
    "unsigned --size 700",
    "revoked --size 700",
    "good --size 700 --part STM32F103x8",
    "crash --size 700 --part STM32H743xI",
    "signed --size 700",
    "module --size 700",
)
"""What is tried of the command where a fault is held against everything."""

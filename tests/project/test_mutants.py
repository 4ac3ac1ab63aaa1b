"""Seeded faults, in small: all of them still fit the code, and a few are found.

``make mutants`` finds them all; docs/explanation/mutants.md has what it said last.
"""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcu_updater.powerloss.catalogue import SCENARIOS
from tests.mutants import run
from tests.mutants.faults import PACKAGE, Edit, Fault, copy_to, load, mutated
from tests.mutants.hold import (
    By,
    Finder,
    Finding,
    Kind,
    by_command,
    command_line,
    finders_of,
    is_command,
    is_slip,
    judged,
)
from tests.mutants.run import Caught, counts, find
from tests.mutants.scenarios import checks
from tests.mutants.table import BEGIN, END
from tests.places import ROOT
from tests.thorough import one_in

FAULTS = load()
PAGE = ROOT / "docs" / "explanation" / "mutants.md"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_fits_the_code(fault: Fault) -> None:
    changed = mutated(fault)
    for name, text in changed.items():
        before = (ROOT / "mcu_updater" / name).read_text()
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(before))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_names_one_thing_that_finds_it_and_where_it_comes_from(fault: Fault) -> None:
    (finder,) = finders_of(fault)
    assert fault.origin.startswith(("https://", "http://"))
    assert bool(fault.why) == (finder.by is not By.COMMAND), "only what the command misses"
    match finder.by:
        case By.COMMAND:
            assert command_line(finder.what)[2] in SCENARIOS
        case By.CHECK:
            known = {check.name for check in checks()}
            assert is_command(finder.what) or finder.what in known
        case _:
            for argument in fault.tests:
                name, _, test = argument.partition("::")
                if name.endswith(".py"):
                    assert test.partition("[")[0] in (ROOT / name).read_text()


def test_there_are_faults_enough_and_the_command_is_to_find_most_of_them() -> None:
    assert len(FAULTS) >= 90
    assert sum(bool(fault.command) for fault in FAULTS) * 5 >= len(FAULTS) * 3


def test_the_page_of_results_has_every_fault_and_what_is_to_find_it() -> None:
    lines = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    said = {line[0].removeprefix("| "): line[1] for line in lines if len(line) == 4}
    del said["fault"]
    assert list(said) == [fault.name for fault in FAULTS]
    for fault in FAULTS:
        assert said[fault.name] in ("not run", finders_of(fault)[0].by), fault.name


BY_THE_COMMAND = {
    "plan confirmed before it is journaled": ("good", 700, "reported"),
    "version reported during the upgrade": ("good", 2500, "lost"),
    "target version reported at the switch": ("good", 700, "reported"),
    "no read-back of a sector": ("stuck", 2500, "true"),
    "writer goes on after a refusal": ("refused", 2500, "true"),
    "next piece asked for before the checkpoint": ("pieces", 700, "reported"),
    "next piece asked for without a look": ("pieces", 700, "reported"),
}
"""By name: a scenario of the command that finds it, the size of its images, and the question."""

TRIED = one_in(7, list(BY_THE_COMMAND), first=4)
SEARCHES = {BY_THE_COMMAND[name][:2] for name in TRIED}


@pytest.mark.parametrize("name", TRIED)
def test_what_a_retry_or_a_later_check_would_hide_is_found_by_the_command(
    name: str, tmp_path: Path
) -> None:
    """In a copy of the packages with the fault in it, by the command as everybody has it."""
    fault = next(fault for fault in FAULTS if fault.name == name)
    copy_to(tmp_path, fault)
    scenario, size, question = BY_THE_COMMAND[name]
    status, found = _command(tmp_path, scenario, size)
    assert status == 7, found
    assert question in {one["question"] for one in found}, found


@pytest.mark.thorough
@pytest.mark.parametrize(("scenario", "size"), sorted(SEARCHES))
def test_without_a_fault_the_same_searches_find_nothing(
    scenario: str, size: int, tmp_path: Path
) -> None:
    copy_to(tmp_path, None)
    status, found = _command(tmp_path, scenario, size)
    assert (status, found) == (2, [])  # 2: the limit of one cut stopped it


def _command(folder: Path, scenario: str, size: int) -> tuple[int, list[dict[str, str]]]:
    """Every single cut, by ``mcu-updater powerloss`` of the packages in *folder*."""
    arguments = ["--scenario", scenario, "--size", str(size), "--cuts", "1", "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "mcu_updater", "powerloss", *arguments, "--json", "--quiet"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    return done.returncode, result["counterexamples"]


# --- the page of results


def test_the_page_of_results_has_what_was_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault, page = FAULTS[0], tmp_path / "page.md"
    (finder,) = finders_of(fault)
    caught = Caught(fault, finder.by, finder, Finding(Kind.FOUND, "safe"))
    monkeypatch.setattr(run, "_results", lambda *_: [caught])
    monkeypatch.setattr(sys, "argv", ["run", "--no-control", "--table", str(page), fault.name])
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    assert run.main() == 0
    row = f"| {fault.name} | {finder.by} | `{finder.what}` | safe |"
    assert row in page.read_text(encoding="utf-8").splitlines()


# --- what counts


def fault_of(new: str, **more: Any) -> Fault:
    """A fault of the bootloader's table that is found by what it names, if at all."""
    edit = Edit("core/boot.py", "    spent = view.reading.attempts\n", new)
    return Fault(
        "made up", "https://example.org", "", (edit,), "trial-damaged --size 700 --cuts 1", **more
    )


def test_an_edit_that_is_no_program_is_broken_and_not_found() -> None:
    caught = find(fault_of("    spent = view.reading.attempts()\n"))
    assert (caught.by, caught.finding.kind) == (By.NOTHING, Kind.BROKEN)
    assert caught.is_defect


def test_an_edit_that_changes_nothing_survives() -> None:
    caught = find(fault_of("    spent = int(view.reading.attempts)\n"))
    assert (caught.by, caught.finding.kind) == (By.NOTHING, Kind.NOTHING)
    assert not caught.is_defect


def found(path: str, text: str = "at rest version 1.0.0 runs", trace: str = "") -> dict[str, str]:
    about = {"question": "live", "text": text, "replay_id": f"part/name:{path}"}
    return {**about, "path": path, "trace": trace}


def test_a_violation_without_a_cut_counts_where_the_fault_says_why() -> None:
    finding = judged([found("-")], "", "")
    assert finding.kind is Kind.AT_ONCE
    assert not counts(fault_of(""), finding)
    assert counts(fault_of("", without_cut="any start"), finding)
    assert judged([found("73t.35w")], "", "").kind is Kind.FOUND


def test_more_states_than_there_may_be_count_where_the_fault_is_about_that() -> None:
    exploded = found("-") | {"question": "canonical"}
    finding = judged([exploded], "", "states")
    assert finding.kind is Kind.GROWTH
    assert not counts(fault_of(""), finding)
    assert counts(fault_of("", growth="nothing is ever erased"), finding)


@pytest.mark.parametrize("stopped_by", ["states", "time", "interrupted"])
def test_a_limit_finds_nothing(stopped_by: str) -> None:
    finding = judged([], "", stopped_by)
    assert finding.kind is Kind.LIMIT
    assert not counts(fault_of("", without_cut="x", growth="x"), finding)


def test_a_broken_promise_counts_where_the_fault_says_that_it_breaks_one() -> None:
    finding = judged([], "bytes 1 to 2, which the subject's representative forgets", "")
    assert finding.kind is Kind.PROMISE
    assert not counts(fault_of("", without_cut="x", growth="x"), finding)
    assert counts(fault_of("", promise="the turn decides"), finding)


def test_a_search_that_cannot_be_believed_finds_nothing() -> None:
    finding = judged([], "two runs were joined, and do not do the same", "")
    assert finding.kind is Kind.DOUBT
    assert not counts(fault_of("", without_cut="x", growth="x"), finding)


@pytest.mark.parametrize(
    ("text", "trace", "slip"),
    [
        ("the boot ended in TypeError: f() takes 2 arguments", "", True),
        ("the boot ended in ValueError: nothing to renew", "", False),
        ("", "Traceback ...\n  File a.py\nAttributeError: no such thing", True),
        ("", "Traceback ...\nNameError: name 'x' is not defined", True),
        ("", "Traceback ...\nOSError: TypeError: in a text", False),
        ("at rest version 1.0.0 runs", "", False),
    ],
)
def test_errors_of_a_wrong_program_are_told_apart(text: str, trace: str, slip: bool) -> None:
    assert is_slip(trace or text) is slip
    kind = judged([found("73t", text, trace)], "", "").kind
    assert (kind is Kind.BROKEN) is slip


def done(code: int, stdout: str = "", stderr: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, stdout, stderr)


def test_a_command_that_ends_before_its_search_finds_nothing_by_a_cut() -> None:
    assert by_command(done(1, stderr="SyntaxError: invalid")).kind is Kind.BROKEN
    assert (
        by_command(done(1, stderr="mcu_updater.core.errors.VerificationFailed: x")).kind
        is Kind.AT_ONCE
    )
    assert by_command(done(-1, stderr="no end after 1200 s")).kind is Kind.LIMIT


def test_only_the_commands_own_verdict_makes_a_finding() -> None:
    passed = '{"results": [{"report": {"stopped_by": ""}, "error": "", "counterexamples": []}]}'
    assert by_command(done(0, passed)) == Finding(Kind.NOTHING)
    assert by_command(done(7, passed)).kind is Kind.NOTHING


def test_the_command_is_the_one_that_is_shipped() -> None:
    line = command_line("good --part STM32F103x8 --cuts 2")
    assert line[:6] == ["powerloss", "--scenario", "good", "--part", "STM32F103x8", "--cuts"]
    assert not any(map(is_command, (fault.command for fault in FAULTS)))


def test_finders_are_what_a_fault_names() -> None:
    fault = replace(fault_of(""), command="good --cuts 1", check="", tests=("tests/a.py", "-x"))
    assert finders_of(fault) == [
        Finder(By.COMMAND, "good --cuts 1"),
        Finder(By.TESTS, "tests/a.py -x"),
    ]
    assert (Path(ROOT) / PACKAGE).is_dir()

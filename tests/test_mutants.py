"""Seeded faults, in small: all of them still fit the code, and a few are found.

``make mutants`` finds them all.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants.faults import ROOT, Fault, copy_to, load, mutated
from mutants.run import TESTS, find
from mutants.scenarios import checks

FAULTS = load()
FEW = (
    "rejection not journaled",
    "digests of the package not checked",
    "sector recorded before it is written",
    "attempt not recorded",
)
"""Found in a second or two each, by four different checks."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_fits_the_code(fault: Fault) -> None:
    changed = mutated(fault)
    for name, text in changed.items():
        before = (ROOT / "mcu_updater" / name).read_text()
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(before))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_names_what_finds_it_and_where_it_comes_from(fault: Fault) -> None:
    assert fault.caught_by in {TESTS, *(check.name for check in checks())}
    assert (fault.caught_by == TESTS) == bool(fault.tests) == bool(fault.why_tests)
    assert fault.origin.startswith(("https://", "http://"))
    for argument in fault.tests:
        name, _, test = argument.partition("::")
        if name.endswith(".py"):
            assert test in (ROOT / name).read_text()


def test_there_are_faults_enough() -> None:
    assert len(FAULTS) >= 30
    assert sum(fault.caught_by != TESTS for fault in FAULTS) >= 25


@pytest.mark.parametrize("name", FEW)
def test_a_few_faults_are_found(name: str, tmp_path: Path) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    caught = find(fault)
    assert caught.by == fault.caught_by, caught


BY_THE_COMMAND = {
    "plan confirmed before it is journaled": ("good", 700, "told"),
    "version reported during the upgrade": ("good", 2500, "lost"),
    "target version reported at the switch": ("good", 700, "told"),
    "no read-back of a sector": ("stuck", 2500, "true"),
    "writer goes on after a refusal": ("refused", 2500, "true"),
    "next piece asked for before the checkpoint": ("pieces", 700, "told"),
    "next piece asked for without a look": ("pieces", 700, "told"),
}
"""By name: a scenario of the command that finds it, the size of its images, and the question."""


@pytest.mark.parametrize("name", BY_THE_COMMAND)
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


@pytest.mark.parametrize(
    ("scenario", "size"), sorted({(name, size) for name, size, _ in BY_THE_COMMAND.values()})
)
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

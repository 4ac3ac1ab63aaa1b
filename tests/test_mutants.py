"""Seeded faults, in small: all of them still fit the code, and a few are found.

``make mutants`` finds them all.
"""

import ast
from pathlib import Path

import pytest
from mutants.faults import ROOT, Fault, load, mutated
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

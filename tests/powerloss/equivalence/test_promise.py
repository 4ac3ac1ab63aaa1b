"""The command fails on code that breaks the promise it rests on, and can do without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mcu_updater.cli.powerloss.powerloss import command
from tests.mutants.faults import copy_to, load

_SMALL = ["--size", "700", "--jobs", "1", "--quiet"]


def _mutated(folder: Path, fault: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as the code of *folder* has it, with this fault in it."""
    copy_to(folder, next(each for each in load() if each.name == fault))
    return subprocess.run(
        [sys.executable, "-m", "mcu_updater", "powerloss", "--jobs", "1", "--quiet", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.thorough
def test_code_that_prefers_a_half_breaks_the_promise(tmp_path: Path) -> None:
    done = _mutated(tmp_path, "half 0 counts of two unsettled headers")
    assert done.returncode == 7, done.stdout + done.stderr
    assert "a state and its representative do not do the same: state " in done.stdout
    assert "representatives of journal trailers" in done.stdout


@pytest.mark.thorough
def test_code_that_compares_turns_the_wrong_way_is_found(tmp_path: Path) -> None:
    done = _mutated(tmp_path, "newer of two unsettled headers counts", "--size", "700")
    assert done.returncode == 7, done.stdout + done.stderr


@pytest.mark.parametrize(
    "option",
    ["--no-representatives", pytest.param("--brute-force", marks=pytest.mark.thorough)],
)
def test_without_representatives_the_verdict_rests_on_nothing(option: str) -> None:
    more = ["--scenario", "unsigned", "--size", "300", "--cuts", "1", "--json"]
    done = CliRunner().invoke(command, [*_SMALL, option, *more])
    report = json.loads(done.stdout.splitlines()[0])["results"][0]["report"]
    assert report["stopped_by"] == "cuts"
    assert report["rests_on"] == []

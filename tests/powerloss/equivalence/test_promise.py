"""The command names the promise that it rests on, and fails on code that breaks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from mutants.faults import copy_to, load

from mcu_updater.cli.powerloss.powerloss import command

_SMALL = ["--size", "700", "--jobs", "1", "--quiet"]
_PROMISE = "representatives of journal trailers (checked side by side in "


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


def test_code_that_prefers_a_half_breaks_the_promise(tmp_path: Path) -> None:
    done = _mutated(tmp_path, "half 0 counts of two unsettled headers")
    assert done.returncode == 7, done.stdout + done.stderr
    assert "a state and its representative do not do the same: state " in done.stdout
    assert "representatives of journal trailers" in done.stdout


@pytest.mark.thorough
def test_code_that_compares_turns_the_wrong_way_is_found(tmp_path: Path) -> None:
    done = _mutated(tmp_path, "newer of two unsettled headers counts", "--size", "700")
    assert done.returncode == 7, done.stdout + done.stderr


def test_the_verdict_names_the_promise_wherever_it_is_told(tmp_path: Path) -> None:
    junit, html, values = (tmp_path / name for name in ("a.xml", "a.html", "a.json"))
    files = ["--junit", str(junit), "--html", str(html), "--json-file", str(values)]
    done = CliRunner().invoke(command, [*_SMALL, "--size", "300", "--scenario", "unsigned", *files])
    assert done.exit_code == 0, done.output
    assert f"; rests on: {_PROMISE}" in done.output
    assert (
        "passed; tried: 1 draw per place and outcome, and every value compared with" in done.output
    )
    assert f"; rests on: {_PROMISE}" in html.read_text()
    assert "tried: 1 draw per place and outcome" in html.read_text()
    (said,) = json.loads(values.read_text())["results"][0]["report"]["rests_on"]
    assert said.startswith(_PROMISE)
    properties = ET.parse(junit).getroot().iter("property")
    assert [each.get("value") for each in properties if each.get("name") == "rests on"] == [said]


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

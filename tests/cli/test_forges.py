"""Searches as jobs of forges run them: SARIF, annotations, a summary, Code Quality."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from mcu_updater.cli.powerloss.powerloss_reports import source_tree
from tests.cli.command_line import run
from tests.evidence.packs import BAD, write_board
from tests.flash_emulator.explore.test_forges import sarif_schema
from tests.places import ROOT

QUICK = ("--quiet", "--jobs", 1, "--cuts", 1, "--outcomes", "before,after")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a bad board in a folder of it."""
    root = tmp_path_factory.mktemp("checkout")
    (root / ".git").mkdir()
    (root / "firmware").mkdir()
    write_board(root / "firmware", BAD)
    return root


@pytest.fixture
def job(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Environment and folder of a job; its summary."""
    monkeypatch.chdir(checkout / "firmware")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path / "summary.md"


def explore(*options: object) -> Result:
    return run("firmware", "explore", "board.toml", *QUICK, *options)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_job_gets_all_that_a_forge_shows(job: Path, tmp_path: Path) -> None:
    sarif, quality = tmp_path / "r.sarif", tmp_path / "q.json"
    job.write_text("## What came before\n")
    result = explore("--sarif", sarif, "--codequality", quality, "--annotations", "github")
    assert result.exit_code == 7, result.output
    log = read(sarif)
    assert list(sarif_schema().iter_errors(log)) == []
    found = log["runs"][0]["results"]
    for each in found:
        (place,) = each["locations"]
        assert place["physicalLocation"]["artifactLocation"]["uri"].startswith("firmware/")
    assert any("logicalLocations" in each["locations"][0] for each in found)
    assert all(each["codeFlows"] for each in found)
    assert "file=firmware/" in result.stdout and "::error file=" in result.stdout
    assert {each["severity"] for each in read(quality)} == {"blocker"}
    summary = job.read_text(encoding="utf-8")
    assert summary.startswith("## What came before\n### Power loss, explored: 1 scenario: 1 failed")


def test_two_runs_have_the_same_fingerprints(job: Path, tmp_path: Path) -> None:
    marks = []
    for name, *other in (("a",), ("b", "--draws", 2)):
        explore("--sarif", tmp_path / name, *other)
        marks.append(
            [r["partialFingerprints"] for r in read(tmp_path / name)["runs"][0]["results"]]
        )
    assert marks[0] == marks[1] and marks[0]


def test_commands_do_not_spoil_an_answer_on_standard_output(job: Path) -> None:
    result = explore("--annotations", "github", "--json")
    assert [json.loads(line)["exit_code"] for line in result.stdout.splitlines()] == [7]
    assert "::error file=" in result.stderr
    result = explore("--annotations", "github", "--sarif", "-")
    assert json.loads(result.stdout)["version"] == "2.1.0"
    assert "::error file=" in result.stderr


def test_nothing_is_told_to_a_forge_unasked(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of others run on forges, too, and their output must not depend on it."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = explore()
    assert "::error" not in result.output and not job.exists()


def test_a_summary_that_cannot_be_written_is_told_beside_the_finding(
    job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job.parent / "no" / "summary.md"))
    result = explore("--annotations", "github")
    assert result.exit_code == 7
    assert "GITHUB_STEP_SUMMARY names what cannot be written" in result.stderr


def test_paths_count_from_the_checkout_of_the_job(
    job: Path, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the job names it; one that does not hold this folder is none of ours."""
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path))
    assert source_tree().root == checkout
    monkeypatch.setenv("CI_PROJECT_DIR", str(checkout / "firmware"))
    explore("--codequality", tmp_path / "q.json")
    assert read(tmp_path / "q.json")[0]["location"]["path"] == "board.toml"


def test_a_search_without_a_finding_writes_empty_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_board(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ("--sarif", "r.sarif", "--codequality", "q.json", "--annotations", "github")
    result = explore(*words, "--outcomes", "all")
    assert result.exit_code == 2
    assert "::warning file=board.toml,line=1,title=power loss%2C incomplete" in result.stdout
    (run_of,) = read(tmp_path / "r.sarif")["runs"]
    assert run_of["results"] == []
    (said,) = run_of["invocations"][0]["toolExecutionNotifications"]
    assert said["message"]["text"].endswith("nothing after up to 1 cuts in a row")
    assert read(tmp_path / "q.json")[0]["severity"] == "minor"


def test_a_finding_stands_at_the_line_of_c_that_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its callers; and at the board file, with the function, where the source is gone."""
    (tmp_path / ".git").mkdir()
    shutil.copytree(ROOT / "examples" / "c_bootloader", tmp_path / "fw")
    monkeypatch.chdir(tmp_path)
    source = (tmp_path / "fw" / "bootloader.c").read_text().splitlines()
    words = ("firmware", "explore", "fw/first_try.toml", *QUICK, "--sarif", tmp_path / "r")
    run(*words)
    log = read(tmp_path / "r")
    assert list(sarif_schema().iter_errors(log)) == []
    results = log["runs"][0]["results"]
    functions = set()
    for result in results:
        place = result["locations"][0]
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        line = place["physicalLocation"]["region"]["startLine"]
        (function,) = (each["fullyQualifiedName"] for each in place["logicalLocations"])
        assert uri == "fw/bootloader.c"
        head = "\n".join(source[:line]).rpartition(f" {function}(")[2]
        assert head and "\n}" not in head, f"line {line} is none of {function}()"
        functions.add(function)
        callers = [
            each["location"]["logicalLocations"][0]["fullyQualifiedName"]
            for each in result["stacks"][0]["frames"]
        ]
        assert callers[0] == function and "start" in callers
        assert f"in {function}(), bootloader.c:{line}" in result["message"]["text"]
    assert functions == {"erase", "program"}
    marks = [each["partialFingerprints"] for each in results]
    (tmp_path / "fw" / "bootloader.c").unlink()
    run(*words)
    results = read(tmp_path / "r")["runs"][0]["results"]
    for result in results:
        place = result["locations"][0]
        artifact = place["physicalLocation"]["artifactLocation"]
        assert (artifact["uri"], len(place["logicalLocations"])) == ("fw/first_try.toml", 1)
    assert [each["partialFingerprints"] for each in results] == marks

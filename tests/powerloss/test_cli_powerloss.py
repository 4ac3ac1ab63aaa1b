"""``mcu-updater powerloss`` as a user runs it: results, files, exit codes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from mcu_updater.cli.entry import cli

TINY = ["--size", "300", "--jobs", "1", "--quiet"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["powerloss", *arguments])


def test_a_limit_is_no_pass() -> None:
    result = run(*TINY, "--cuts", "1")
    assert result.exit_code == 2
    assert "incomplete (cuts)" in result.output
    assert "not everything was explored" in result.output


def test_a_pass_with_all_its_evidence(tmp_path: Path) -> None:
    files = {name: tmp_path / f"report.{name}" for name in ("html", "json", "junit")}
    names = {"html": "--html", "json": "--json-file", "junit": "--junit"}
    options = [word for name, file in files.items() for word in (names[name], str(file))]
    result = run(*TINY, *options, "--certificates", str(tmp_path / "certificates"))
    assert result.exit_code == 0, result.output
    assert "passed" in result.output
    values = json.loads(files["json"].read_text())
    assert "STM32L476xG/remap/good/bin/300b/s0" in json.dumps(values)
    assert ElementTree.parse(files["junit"]).getroot().tag in ("testsuites", "testsuite")
    assert files["html"].read_text().startswith("<!")
    (certificate,) = (tmp_path / "certificates").iterdir()
    checked = run("--check", str(certificate), "--check-sample", "3")
    assert checked.exit_code == 0, checked.output
    assert "confirmed: 3 of" in checked.output


@pytest.mark.parametrize(
    "content",
    [b"not a certificate", b"", gzip.compress(b"[]"), gzip.compress(b'{"chain": 1')],
    ids=["text", "empty", "no object", "cut short"],
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    false = tmp_path / "false.certificate.gz"
    false.write_bytes(content)
    result = run("--check", str(false))
    assert result.exit_code == 3
    assert "no whole certificate" in result.output
    assert "Error(" not in result.output and "BadGzipFile" not in result.output


def test_options_at_risk_is_off_unless_asked_for() -> None:
    f407 = ["--part", "STM32F429xI", "--strategy", "copy", *TINY, "--cuts", "1"]
    assert "passed" in run(*f407).output or "incomplete" in run(*f407).output
    result = run(*f407, "--options-at-risk")
    assert result.exit_code == 7, result.output
    assert "safe: option bytes lost" in result.output
    (path, *_) = (word for word in result.output.split() if "/s0:" in word)
    assert path.endswith("o")
    replayed = run("--replay", path)
    assert "option bytes lost" in replayed.output


def test_options_at_risk_has_no_certificate(tmp_path: Path) -> None:
    result = run(*TINY, "--options-at-risk", "--certificates", str(tmp_path))
    assert result.exit_code == 2
    assert "--options-at-risk" in result.output


def test_a_finding_is_shown_and_replayed() -> None:
    """A known hazard, in a search that a limit stopped: no pass. Exit code 7 for the film of it."""
    result = run(*TINY, "--part", "STM32L476xG", "--strategy", "option-toggle", "--cuts", "1")
    assert result.exit_code == 2
    assert "incomplete (cuts)" in result.output
    found = next(line for line in result.output.splitlines() if "--replay" in line)
    name = found.split("--replay ")[1]
    film = run("--replay", name)
    assert film.exit_code == 7
    assert "option bytes lost" in film.output
    assert "CUT" in film.output
    shorter = run("--replay", name, "--shrink")
    assert f"ID: {name}" in shorter.output


@pytest.mark.parametrize(
    "name", ["nonsense", "STM32L476xG/remap/good/bin/300b/s0:9999t", "a/b/c/d/e/s0:1t"]
)
def test_an_id_that_does_not_fit_is_a_usage_error(name: str) -> None:
    result = run("--replay", name)
    assert result.exit_code == 2, result.output


def test_strategies_are_compared() -> None:
    arguments = ["--strategy", "all", "--part", "STM32L476xG", "--cuts", "1"]
    result = run(*TINY, *arguments, "--option-change-us", "21000")
    for word in ("remap", "copy", "option-toggle", "bricks", "21000 us", "option bytes lost"):
        assert word in result.output


def test_an_unknown_part_is_refused() -> None:
    result = run(*TINY, "--part", "STM32X")
    assert result.exit_code == 2
    assert "unknown part" in result.output

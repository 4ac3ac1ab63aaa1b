"""Runs the commands as a shell would, and reads back what they print."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from mcu_updater.cli.main import cli
from tests.places import FIXTURES

OLD = FIXTURES / "fixture-1.0.0.bin"
NEW = {suffix: FIXTURES / f"fixture-2.0.0.{suffix}" for suffix in ("bin", "hex", "s19")}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def update(*options: object, image: Path = NEW["bin"]) -> Result:
    return run("update", image, *options)


def status(file: Path) -> dict[str, Any]:
    result = run("board", "status", file, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def next_bank(file: Path) -> dict[str, Any]:
    """The bank that the next start would run."""
    return next(bank for bank in status(file)["banks"] if bank["boots_next"])


def runs(file: Path) -> tuple[str, str, str]:
    bank = next_bank(file)
    return bank["name"], bank["version"], bank["phase"]


def in_trial(file: Path) -> Path:
    """A board whose power was cut while version 2.0.0 was on trial."""
    for at in range(LAST_OPERATION, 0, -1):
        file.unlink(missing_ok=True)
        assert update("--board", file, "--cut-at", at, "--outcome", "before").exit_code == 9
        if runs(file)[2] == "TRIAL":
            return file
    raise AssertionError("no cut leaves a trial")


def json_lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def named(lines: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == name]


def _count_operations() -> int:
    summary = json_lines(update("--json"))[-1]
    return int(summary["erases"]["count"] + summary["programs"]["count"])


LAST_OPERATION = _count_operations()  # of the upgrade to any NEW on a fresh board

"""Runs the commands as a shell would, and reads back what they print."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from mcu_updater.cli.main import cli

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"
OLD = FIXTURES / "fixture-1.0.0.bin"
NEW = {suffix: FIXTURES / f"fixture-2.0.0.{suffix}" for suffix in ("bin", "hex", "s19")}
LAST_OPERATION = 1311  # of the upgrade to any NEW on a fresh board


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


def json_lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def named(lines: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == name]

"""The examples of centers offer what they say, today and in many years."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mcu_updater.cloud.center.load import read_center
from tests.cli.command_line import run
from tests.places import ROOT

EXAMPLES = sorted((ROOT / "examples" / "center").glob("*.toml"))
MOMENTS = ["2026-03-05T10:00", "2031-07-01T03:00", "2048-02-29T12:00", "2098-12-31T23:59"]


@pytest.mark.parametrize("at", [*MOMENTS, None])
@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.name)
def test_an_example_offers_an_upgrade_at_any_time(file: Path, at: str | None) -> None:
    device = next(iter(read_center(file).center.devices)).id
    when = () if at is None else ("--at", at)
    shown = run("center", "offer", file, "--device", device, *when, "--json")
    assert shown.exit_code == 0, shown.output
    upgrades = json.loads(shown.stdout.splitlines()[-1])["upgrades"]
    assert any(upgrade["offered"] for upgrade in upgrades), shown.stdout


def test_the_example_ends_some_day_and_then_offers_nothing() -> None:
    """So that the test above can fail."""
    words = ("center", "offer", EXAMPLES[0], "--device", "pump-001", "--at", "2100-01-02T00:00")
    upgrades = json.loads(run(*words, "--json").stdout.splitlines()[-1])["upgrades"]
    assert not any(upgrade["offered"] for upgrade in upgrades)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *EXAMPLES]


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_no_page_and_no_example_has_an_end_that_is_near(page: Path) -> None:
    for text in re.findall(r"^\s*end = (\S+)", page.read_text(), flags=re.MULTILINE):
        end = tomllib.loads(f"end = {text}")["end"]
        moment = end if end.tzinfo else end.replace(tzinfo=UTC)
        assert moment > datetime(2090, 1, 1, tzinfo=UTC), f"{page.name}: {text}"


def test_the_fleet_of_the_readme_upgrades_whatever_the_date(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    done = run("fleet", EXAMPLES[0], "--devices", 4, "--jobs", 1, "--db", db, "--json")
    assert done.exit_code == 0, done.output

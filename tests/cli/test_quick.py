"""``--quick`` as a hook runs it: what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from flash_emulator.explore.campaign import Result as Explored
from flash_emulator.player import FlashMap
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.searching import SearchSettings
from tests.cli.boards import write_board
from tests.cli.command_line import json_lines, run
from tests.places import ROOT

HERE = ROOT / "examples" / "c_bootloader"
QUICK = ("--quick", "--quiet", "--jobs", 1)


def explore(board: Path, *options: object) -> Result:
    return run("firmware", "explore", board, *QUICK, *options)


def test_a_quick_search_is_no_pass_and_says_what_it_left_out() -> None:
    result = explore(HERE / "board.toml")
    assert result.exit_code == 2
    assert ": left out: two or more cuts in a row\n" in result.stdout
    assert "1 scenario: 1 incomplete" in result.stdout
    assert "Leave --quick out for the whole answer" in result.stderr


def test_a_hook_may_accept_what_is_incomplete_and_never_what_was_found(tmp_path: Path) -> None:
    accepted = explore(HERE / "board.toml", "--accept-incomplete", "--outcomes", "before,torn")
    assert (accepted.exit_code, accepted.stderr) == (0, "")
    assert "incomplete" in accepted.stdout
    assert "; cuts that leave metastable; cuts that leave blank" in accepted.stdout
    report = tmp_path / "r.json"
    found = explore(HERE / "first_try.toml", "--accept-incomplete", "--json-file", report)
    assert found.exit_code == 7
    (result,) = json.loads(report.read_text())["results"]
    assert result["facts"]["left out"].startswith("two or more cuts in a row")
    assert result["report"]["levels"][0] == 1 and len(result["report"]["levels"]) == 2


def test_a_limit_may_be_accepted_in_a_whole_search_too(tmp_path: Path) -> None:
    board = write_board(tmp_path)
    words = ("firmware", "explore", board, "--quiet", "--jobs", 1, "--cuts", 1, "--json")
    (answer,) = json_lines(run(*words, "--outcomes", "torn", "--accept-incomplete"))
    assert (answer["exit_code"], answer["ok"]) == (0, True)
    (answer,) = json_lines(run(*words, "--outcomes", "torn"))
    assert answer["exit_code"] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--quick", "--cuts", "2"),
        ("--quick", "--time", "5"),
        ("--quick", "--certificates", "x"),
        ("--budget", "5"),
        ("--quick", "--budget", "0"),
    ],
)
def test_what_means_nothing_beside_it_is_refused(words: tuple[str, ...]) -> None:
    for command in (("powerloss",), ("firmware", "explore", HERE / "board.toml")):
        result = run(*command, *words)
        assert result.exit_code == 2, result.output
        assert words[-2] in result.stderr


def test_a_budget_is_shared_by_all_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one does not need, those behind it have."""
    given: list[float | None] = []

    def explored(scenario: Any, settings: SearchSettings, *_: object) -> Explored:
        given.append(settings.budget_s)
        return Explored(scenario.id, None, FlashMap(0, ()), error="not searched at all")

    monkeypatch.setattr(campaign, "explore", explored)
    names = ("good", "refused", "unsigned")
    run("powerloss", *QUICK, "--budget", 300, *(w for n in names for w in ("--scenario", n)))
    assert [round(each or 0, -1) for each in given] == [100, 150, 300]

"""``update``: the whole upgrade, as a table and as JSON lines, whole and cut."""

import os
import pty
import subprocess
import sys
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from mcu_updater.board import Board
from mcu_updater.core import events
from mcu_updater.report.schema import event_name
from tests.cli.command_line import (
    LAST_OPERATION,
    NEW,
    json_lines,
    named,
    run,
    runs,
    status,
    update,
)
from tests.places import FIXTURES
from tests.thorough import one_in

EVENTS = {event_name(event.__name__): event for event in get_args(events.Event)}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return tmp_path / "one.board"


@pytest.mark.parametrize("suffix", NEW)
def test_update_ends_with_a_table(suffix: str, board: Path):
    result = update("--board", board, image=NEW[suffix])
    assert result.exit_code == 0
    assert result.stderr == ""
    told = [code for code in range(10700, 10707) if f" module  {code} " in result.stdout]
    assert told == [10700, 10701, 10702, 10703, 10704, 10705]
    for cells in (("Version", "1.0.0", "2.0.0"), ("Bank", "A", "B")):
        assert row(result.stdout, cells[0]) == [*cells]
    assert row(result.stdout, "Package")[-1] == f"{NEW[suffix].stat().st_size} bytes"
    assert row(result.stdout, "Retries on the link")[-1] == "0"
    assert "erase (max values)" in result.stdout
    assert runs(board) == ("B", "2.0.0", "CONFIRMED")


def row(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"│ {name} "))
    return [cell for cell in (part.strip() for part in line.split("│")) if cell]


@pytest.mark.parametrize("suffix", NEW)
def test_update_as_json_lines(suffix: str):
    result = update("--json", image=NEW[suffix])
    assert result.exit_code == 0
    lines = json_lines(result)
    assert lines[0]["schema"] == 2
    assert all("schema" not in line for line in lines[1:])
    *told, summary = lines
    for line in told:
        expected = {field.name for field in fields(EVENTS[line["event"]])}
        assert set(line) - {"schema"} == expected | {"event", "time_us"}
    assert [line["code"] for line in named(told, "module-said")][-1] == 10705
    assert named(told, "progress")[-1] == {
        "event": "progress",
        "work": "verify",
        "done": 9236,
        "total": 9236,
        "time_us": named(told, "progress")[-1]["time_us"],
    }
    check_summary(summary, NEW[suffix].stat().st_size)


def check_summary(summary: dict[str, Any], package_bytes: int) -> None:
    assert summary["event"] == "summary"
    assert (summary["outcome"], summary["exit_code"], summary["error"]) == ("updated", 0, "")
    assert summary["before"] == {"bank": "A", "version": "1.0.0"}
    assert summary["after"] == {"bank": "B", "version": "2.0.0"}
    assert summary["package_bytes"] == package_bytes
    assert summary["erases"]["count"] + summary["programs"]["count"] == LAST_OPERATION
    assert summary["erases"]["time_us"] == 24_470 * summary["erases"]["count"]
    assert summary["erases"]["timing"] == summary["programs"]["timing"] == "max"
    parts = summary["link_us"] + summary["erases"]["time_us"] + summary["programs"]["time_us"]
    assert summary["simulated_us"] == parts


def test_quiet_is_silent():
    result = update("--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_verbose_also_tells_the_steps():
    assert " decide  SWITCH: " not in update().stdout
    assert " decide  SWITCH: " in update("--verbose").stdout


@pytest.mark.parametrize("size", [100, 1000])
def test_small_pieces_and_reads(size: int):
    lines = json_lines(update("--json", "--piece-size", 3000, "--read-size", size))
    assert lines[-1]["exit_code"] == 0
    pieces = [line for line in named(lines, "module-said") if line["code"] == 10703]
    assert len(pieces) == 4
    first = named(lines, "progress")[0]
    assert (first["work"], first["done"]) == ("download", size)


def test_a_right_announcement_and_base_change_nothing():
    md5 = subprocess.check_output(["md5sum", NEW["bin"]], text=True).split()[0]
    assert update("--md5", md5.upper(), "--base", "0x0800_8000").exit_code == 0
    assert update("--base", 0x0800_8000).exit_code == 0


def test_versions_and_component_are_the_ones_given(board: Path):
    options = ("--from", "0.9-rc_1", "--to", "7", "--component", "Motor 2")
    assert update("--board", board, *options).exit_code == 0
    assert runs(board) == ("B", "7", "CONFIRMED")
    assert status(board)["module_versions"] == {"Motor 2": "7"}


def test_a_board_that_runs_the_version_is_left_alone(board: Path):
    assert update("--board", board).exit_code == 0
    before = status(board)
    result = update("--board", board)
    assert (result.exit_code, "already runs version 2.0.0" in result.stdout) == (0, True)
    assert json_lines(update("--board", board, "--json"))[-1]["exit_code"] == 0
    assert status(board) == before


def test_an_upgrade_under_way_comes_first(board: Path):
    assert update("--board", board, "--cut-at", 600).exit_code == 9
    image = FIXTURES / "fixture-1.0.0.s19"
    assert update("--board", board, "--to", "3.0.0", image=image).exit_code == 0
    assert runs(board) == ("A", "3.0.0", "CONFIRMED")
    assert [plan["state"] for plan in status(board)["plans"]] == ["success", "success"]


def test_the_same_command_again_carries_on(board: Path):
    assert update("--board", board, "--cut-at", 600, "--outcome", "weak").exit_code == 9
    result = update("--board", board)
    assert result.exit_code == 0
    assert " resume  bank B: sectors done already: 2" in result.stdout
    assert len(status(board)["plans"]) == 1


def test_a_rejected_plan_that_comes_first_is_named(board: Path):
    assert update("--board", board, "--md5", "0" * 32).exit_code == 3
    result = update("--board", board)
    assert result.exit_code in (0, 3)
    if result.exit_code:
        assert result.stderr.startswith("error: an earlier plan, which the cloud offers first: ")


# --- cuts


PLACES = [1, 5, 600, *range(LAST_OPERATION - 38, LAST_OPERATION - 32), LAST_OPERATION]
OUTCOMES = ["before", "torn", "blank", "weak", "after"]


@pytest.mark.parametrize(("at", "outcome"), one_in(3, [*product(PLACES, OUTCOMES)]))
def test_any_cut_is_carried_on_from(at: int, outcome: str, board: Path):
    result = update("--board", board, "--cut-at", at, "--outcome", outcome)
    assert result.exit_code == 9, result.output
    assert f"operation {at}, outcome {outcome}: " in result.stdout
    assert f"mcu-updater board boot {board}" in result.stdout
    assert run("board", "boot", board).exit_code == 0
    last = update("--board", board)
    assert last.exit_code == 0
    assert runs(board) == ("B", "2.0.0", "CONFIRMED")


def test_a_cut_is_told_in_words(board: Path):
    text = update("--board", board, "--cut-at", 600, "--cut-module").stdout
    assert "program of the unit at 0x0808_9040 (bank B, slot, sector 2)" in text
    assert "The module lost power too" in text
    assert status(board)["module_powered"] is False
    assert run("board", "boot", board).exit_code == 0
    assert runs(board)[1] == "2.0.0"


def test_a_cut_erase_is_told_in_words():
    text = update("--cut-at", 1, "--outcome", "blank").stdout
    assert "erase of the sector at 0x080F_8000 (bank B, trailer, half 0)" in text
    assert "reads 0xFF, and yet it is not erased" in text
    assert "in memory only" in text


def test_a_cut_in_json_ends_with_a_summary():
    *_, summary = json_lines(update("--json", "--cut-at", 600))
    assert (summary["event"], summary["exit_code"]) == ("summary", 9)
    assert summary["cut"]["operation"] == 600
    assert summary["cut"]["address"] == 0x0808_9040
    assert summary["erases"]["count"] + summary["programs"]["count"] == 599


def test_a_cut_that_never_fires_is_no_pass(board: Path):
    result = update("--board", board, "--cut-at", LAST_OPERATION + 1)
    assert result.exit_code == 2
    assert f"the cut never fired: only {LAST_OPERATION} operations" in result.stderr
    assert runs(board) == ("B", "2.0.0", "CONFIRMED")
    assert update("--board", board, "--cut-at", 1).exit_code == 2


def test_a_cut_that_never_fires_does_not_hide_an_error():
    result = update("--md5", "0" * 32, "--cut-at", 9999)
    assert result.exit_code == 2
    assert "MD5 of the package is wrong" in result.stderr
    assert "the cut never fired" in result.stderr


# --- as a process


def test_as_a_process_without_terminals(board: Path):
    command: list[str | Path] = [sys.executable, "-m", "mcu_updater", "update"]
    command += [NEW["hex"], "--board", board]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "Result: updated" in done.stdout


def test_bars_are_drawn_on_a_terminal_and_nowhere_else(tmp_path: Path):
    """Standard error is a terminal, standard output is not: bars there, lines here."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mcu_updater", "update", str(NEW["hex"])]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    output = tmp_path / "output"
    with output.open("wb") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=theirs, env=environment)
        os.close(theirs)
        drawn = b"".join(iter(lambda: read_terminal(ours), b""))
    assert process.wait(timeout=180) == 0
    for work in (b"download", b"program", b"verify"):
        assert work in drawn
    assert b"\x1b" not in output.read_bytes()
    assert b"10705 upgrade succeeded" in output.read_bytes()


def read_terminal(file: int) -> bytes:
    try:
        return os.read(file, 4096)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


def test_interrupt_saves_the_board(board: Path, monkeypatch: pytest.MonkeyPatch):
    run("board", "new", board, "--version", "1.0.0")
    before = board.read_bytes()
    ordinary = Board.run

    def interrupted(*arguments, **options):
        for event in ordinary(*arguments, **options):
            if isinstance(event, events.Progress) and event.done > 5000:
                raise KeyboardInterrupt
            yield event

    monkeypatch.setattr(Board, "run", interrupted)
    result = update("--board", board)
    assert (result.exit_code, "error: interrupted" in result.stderr) == (130, True)
    assert board.read_bytes() != before
    monkeypatch.undo()
    assert run("board", "boot", board).exit_code == 0
    assert runs(board) == ("B", "2.0.0", "CONFIRMED")


@pytest.mark.parametrize("suffix", [".pack", ".mini_1", ".mini_2", ".py"])
def test_what_nobody_can_interpret_is_taken_on_request_only(suffix: str, tmp_path: Path):
    image = tmp_path / f"app{suffix}"
    image.write_bytes(NEW["bin"].read_bytes())
    refused = update(image=image)
    assert refused.exit_code == 3
    assert "nobody can interpret it" in refused.stderr
    assert update("--raw", image=image).exit_code == 0


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (("--battery", 29), "battery is at 29 %, the plan asks for 30 %"),
        (("--signal", -114), "signal is at -114 dBm, the plan asks for -113 dBm"),
        (("--battery", 100, "--signal", -200), "signal is at -200 dBm"),
        (("--battery", 30, "--signal", -113), None),
    ],
)
def test_a_board_looks_at_what_it_measures(
    measured: tuple[object, ...], reason: str | None, tmp_path: Path
) -> None:
    """And it is asked again: the next run says nothing of battery and signal."""
    board = tmp_path / "one.board"
    result = update(*measured, "--board", board, "--quiet")
    assert result.exit_code == (0 if reason is None else 3)
    assert (reason or "") in result.stderr
    assert update("--board", board, "--battery", 100, "--signal", -60).exit_code == 0
    assert runs(board)[1] == "2.0.0"

"""``update --module`` and ``watch``: usage, and the log; the rest is in tests/board/attached."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
import pytest

from mcu_updater.cli.device.watch import FIRST_PAUSE_S, LONGEST_PAUSE_S, Pause
from mcu_updater.cli.device.watchlog import JsonLog, TextLog
from mcu_updater.cli.main import cli
from mcu_updater.core.events import Decided, ModuleSaid, Problem, Progress, Work
from tests.cli.command_line import NEW, run

IMAGE = NEW["bin"]


@pytest.mark.parametrize(
    "arguments, says",
    [
        ((), "no IMAGE to upgrade to; expected IMAGE, or --any with --module PORT"),
        (("--any",), "no IMAGE to upgrade to"),
        ((IMAGE, "--any"), "no IMAGE to upgrade to"),
        (("--module", "x"), "IMAGE, or --any"),
        ((IMAGE, "--any", "--module", "x"), "IMAGE, or --any"),
        ((IMAGE, "--module", "x", "--to", "3"), "--to has no effect with --module: the Developer"),
        ((IMAGE, "--module", "x", "--piece-size", "9"), "--piece-size has no effect"),
        ((IMAGE, "--module", "x", "--md5", "0" * 32), "--md5 has no effect"),
        ((IMAGE, "--module", "x", "--line-end", "lf"), "'lf' is not one of"),
        ((IMAGE, "--module", "x", "--target", "y"), "--module and --target are mutually exclusive"),
        ((IMAGE, "--module", "x", "--battery", "101"), "101 is not in the range"),
    ],
)
def test_what_cannot_be_asked_for(arguments, says):
    result = run("update", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_port_that_cannot_be_opened_prints_no_table(tmp_path):
    result = run("update", IMAGE, "--module", tmp_path / "tty")
    assert result.exit_code == 4
    assert not result.stdout
    assert "the port cannot be opened" in result.stderr


def test_watch_needs_a_board(tmp_path):
    result = run("watch", "--module", tmp_path / "tty", "--board", tmp_path / "no.board")
    assert result.exit_code == 4
    assert "no such board file" in result.stderr


def test_pauses_grow_and_begin_again():
    pause = Pause()
    taken = [pause.take() for _ in range(9)]
    assert taken[:4] == [FIRST_PAUSE_S, 2, 4, 8]
    assert taken[-1] == LONGEST_PAUSE_S
    pause.reset()
    assert pause.take() == FIRST_PAUSE_S


# --- the log

NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
EVENTS = [
    Decided("ASK", "CONFIRMED", "EMPTY", "idle"),
    ModuleSaid(10700, "plan for STM32"),
    *(Progress(Work.DOWNLOAD, done, 2000) for done in range(100, 2001, 100)),
    Progress(Work.PROGRAM, 2048, 0),
    Problem("a long\nstory"),
]


def written(capsys: pytest.CaptureFixture[str], log) -> list[str]:
    with click.Context(cli):
        for event in EVENTS:
            log.event(event)
        log.say("port-lost", "it is gone", again_s=2.0)
    return capsys.readouterr().out.splitlines()


def test_text_lines(capsys):
    lines = written(capsys, TextLog(verbose=False, now=lambda: NOON))
    assert all(line.startswith("2026-01-31T12:00:00.123Z ") for line in lines)
    said = [line.removeprefix("2026-01-31T12:00:00.123Z ") for line in lines]
    assert said[0] == "module   10700 plan for STM32"
    assert sum(line.startswith("download") for line in said) == 11  # each tenth, and the end
    assert said[-2:] == ["problem  a long story", "watch    it is gone"]


def test_json_lines(capsys):
    lines = [json.loads(line) for line in written(capsys, JsonLog(verbose=True, now=lambda: NOON))]
    assert lines[0] == {
        "schema": 2,
        "time": "2026-01-31T12:00:00.123Z",
        "event": "decided",
        "step": "ASK",
        "active": "CONFIRMED",
        "inactive": "EMPTY",
        "module": "idle",
    }
    assert "schema" not in lines[1]
    assert lines[1]["code"] == 10700
    assert lines[-1] == {
        "time": "2026-01-31T12:00:00.123Z",
        "event": "port-lost",
        "text": "it is gone",
        "again_s": 2.0,
    }

"""The line that says how far a search is."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import pytest

from flash_emulator.explore import Progress
from mcu_updater.cli.powerloss.powerloss_progress import ProgressLine, fitting

NOW = Progress(3, 48, 120, 1234, 5000, 2, 12.3, 4.0, 987_654)


def shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    terminal: bool,
    columns: int = 120,
    quiet: bool = False,
    every_s: float = 11.0,
) -> str:
    clock = iter(every_s * step for step in range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    line = ProgressLine(quiet=quiet)
    tell = line.teller("STM32L476xG/remap/good/bin/3996b/s0", "2/7", 60.0)
    tell(NOW)
    tell(replace(NOW, done=120))
    line.close()
    return capsys.readouterr().err


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_on_a_terminal_it_is_one_line_that_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    """It is taken away by the end of all searches, not of a level."""
    text = shown(monkeypatch, capsys, terminal=True, columns=columns)
    first, *lines, last = text.split("\r\x1b[2K")
    assert (first, last, len(lines)) == ("", "", 3)
    assert all(0 < len(line) < columns for line in lines)
    assert "12 of 60 s" in lines[-1]
    assert "\n" not in text
    if columns >= 120:
        for fact in ("1,234 states", "3 cuts in a row: 120 of 120", "2 found", "5,000 boots"):
            assert fact in lines[-1]


def test_for_a_log_it_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(monkeypatch, capsys, terminal=False)
    assert "\x1b" not in text
    assert "1,234 states; 3 cuts in a row: 48 of 120; 2 found; 5,000 boots; 987,654 cuts" in text
    assert text.count("\n") == 3
    assert shown(monkeypatch, capsys, terminal=False, every_s=4.0).count("\n") == 1


def test_quiet_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal in (True, False):
        assert shown(monkeypatch, capsys, terminal=terminal, quiet=True) == ""


def test_a_long_name_gives_way() -> None:
    text = fitting(["1/1 " + "x" * 300 + "/good", "3 s", "9 states"], 59)
    assert len(text) <= 59
    assert text.endswith("/good; 3 s; 9 states")

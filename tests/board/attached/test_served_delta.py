"""A delta package from the maker to the device: two commands, and a served module in between."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mcu_updater.board import load_board
from mcu_updater.core.journal import Phase
from tests.command_processes import run_command
from tests.places import FIXTURES
from tests.serve.served import serving, where

OLD, NEW = (FIXTURES / f"fixture-{version}.0.0.bin" for version in (1, 2))
PATIENCE_S = 180.0  # on a loaded machine
SPEED = 10  # of the module's time


def tool(*words: object) -> subprocess.CompletedProcess[str]:
    return run_command(*words, timeout_s=PATIENCE_S)


def update(module: str, board: Path) -> subprocess.CompletedProcess[str]:
    return tool("update", "--any", "--module", module, "--board", board, "--verdict-wait", "0.3")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("made") / "delta.mcud"
    made = tool("delta", "make", OLD, NEW, "-o", file, "--from", "1.0.0", "--to", "2_0_0")
    assert made.returncode == 0, made.stderr
    return file


def board_of(folder: Path, *image: object, version: str = "1.0.0") -> Path:
    file = folder / "one.board"
    assert tool("board", "new", file, "--version", version, *image).returncode == 0
    return file


def offers(package: Path, *more: object) -> tuple[object, ...]:
    """Of a served module: the delta, and behind it the full package."""
    return ("--package", package, "--full", NEW, "--speed", SPEED, "--tcp", "127.0.0.1:0", *more)


def test_a_device_at_the_source_version_takes_the_delta(package: Path, tmp_path: Path) -> None:
    board = board_of(tmp_path, "--image", OLD)
    with serving(*offers(package, "--piece-size", 1500)) as process:
        result = update(where(process), board)
    assert result.returncode == 0, result.stderr
    assert f"from 1.0.0 to version 2_0_0, {package.stat().st_size} bytes" in result.stdout
    bank = load_board(board).banks()[1]
    reading = bank.journal.read()
    assert (reading.version, reading.phase) == ("2_0_0", Phase.CONFIRMED)
    assert bank.slot.read(0, NEW.stat().st_size) == NEW.read_bytes()


def test_a_device_at_another_version_is_offered_the_full_package(
    package: Path, tmp_path: Path
) -> None:
    board = board_of(tmp_path, "--image", OLD, version="0.9.0")
    with serving(*offers(package)) as process:
        result = update(where(process), board)
    assert result.returncode == 0, result.stderr
    assert f"to version 2_0_0, {NEW.stat().st_size} bytes" in result.stdout
    assert load_board(board).would_boot().version == "2_0_0"


def test_a_device_with_another_image_refuses_and_is_then_offered_the_full_package(
    package: Path, tmp_path: Path
) -> None:
    board = board_of(tmp_path)  # version 1.0.0, and not the image that the delta is for
    with serving(*offers(package)) as process:
        place = where(process)
        refused = update(place, board)
        assert refused.returncode == 3
        assert "delta package is for another base image" in refused.stderr
        assert load_board(board).would_boot().version == "1.0.0"
        result = update(place, board)
    assert result.returncode == 0, result.stderr
    assert f"to version 2_0_0, {NEW.stat().st_size} bytes" in result.stdout
    assert load_board(board).would_boot().version == "2_0_0"

"""What is there already is nothing to do, exit code 0, wherever an image can be brought."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command_line import NEW, OLD, run
from tests.flash_emulator.bootrom.served_chip import serving
from tests.serve import served

# update --target and install: tests/stm32/test_install.py


def test_update_of_a_board(tmp_path: Path) -> None:
    board = tmp_path / "one.board"
    for _ in range(2):
        assert run("update", NEW["bin"], "--board", board).exit_code == 0
    again = run("update", NEW["hex"], "--board", board)  # the same version in another format
    assert again.exit_code == 0
    assert "Nothing to do" in again.stdout
    said = json.loads(run("update", NEW["bin"], "--board", board, "--json").stdout)
    assert (said["exit_code"], said["programs"]["count"]) == (0, 0)


def test_a_board_that_left_the_factory_with_the_version(tmp_path: Path) -> None:
    board = tmp_path / "one.board"
    run("board", "new", board, "--version", "2.0.0", "--image", NEW["bin"])
    again = run("update", NEW["bin"], "--board", board)
    assert again.exit_code == 0 and "Nothing to do" in again.stdout


def test_update_from_a_module(tmp_path: Path) -> None:
    link = tmp_path / "module"
    for name, image in (("updated", OLD), ("factory", NEW["bin"])):
        board = tmp_path / f"{name}.board"
        version = "2_0_0" if name == "factory" else "1.0.0"
        run("board", "new", board, "--version", version, "--image", image)
        with served.serving("--package", NEW["bin"], "--link", link, "--speed", 10) as module:
            served.where(module)
            words = ("--module", link, "--board", board, "--wait", 0.5, "--verdict-wait", 0.3)
            if name == "updated":
                assert run("update", NEW["bin"], *words).exit_code == 0
            again = run("update", NEW["bin"], *words)
            assert again.exit_code == 0, again.output
            assert "already runs version 2_0_0" in again.stdout


def test_another_image_that_is_not_offered_is_not_taken_for_done(tmp_path: Path) -> None:
    link, board = tmp_path / "module", tmp_path / "one.board"
    run("board", "new", board, "--version", "2_0_0", "--image", OLD)
    with served.serving("--package", NEW["bin"], "--link", link, "--speed", 10) as module:
        served.where(module)
        words = ("--module", link, "--board", board, "--wait", 0.5, "--verdict-wait", 0.3)
        assert run("update", NEW["bin"], *words).exit_code == 5


def test_flash_of_what_the_chip_holds(tmp_path: Path) -> None:
    link = tmp_path / "tty"
    image = (NEW["bin"], "--base", "0x0800_8000", "--port", link, "--cache", tmp_path / "cache")
    with serving("STM32L476xG", "--link", link):
        first = run("flash", *image)
        assert first.exit_code == 0 and "nothing to do" not in first.stdout
        again = run("flash", *image)
        assert again.exit_code == 0
        assert "nothing to do, all of it is there already" in again.stdout
        assert "erase nothing" in run("flash", *image, "--dry-run").stdout

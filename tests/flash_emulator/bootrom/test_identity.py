"""Every emulated chip has a UID of its own, keeps it in its file, and has the one of its seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcu_updater.board import load_board
from mcu_updater.stm32.flasher import identifies
from tests.cli.command_line import NEW, run
from tests.flash_emulator.bootrom.served_chip import serving

PART = "STM32L476xG"
IMAGE = (NEW["bin"], "--base", "0x0800_8000")


def uid_of(folder: Path, *options: object) -> str:
    link = folder / "tty"
    with serving(PART, "--link", link, *options) as served:
        said = run("info", "--port", link, "--json").stdout.splitlines()[-1]
        assert served.end() == 0
    found: str = json.loads(said)["uid"]
    assert len(found) == 24
    return found


def test_each_new_chip_has_its_own(tmp_path: Path) -> None:
    files = [("--file", tmp_path / f"{number}.chip") for number in range(2)]
    uids = [uid_of(tmp_path, *options) for options in (*files, (), ())]
    assert len(set(uids)) == 4
    assert [uid_of(tmp_path, *options) for options in files] == uids[:2]  # kept in its file


def test_a_seed_makes_it_the_same_again(tmp_path: Path) -> None:
    first = uid_of(tmp_path, "--seed", 7)
    assert uid_of(tmp_path, "--seed", 7, "--file", tmp_path / "x.chip") == first
    assert uid_of(tmp_path, "--seed", 8) != first
    # the seed is the new chip's; the file's chip is as it was
    assert uid_of(tmp_path, "--seed", 9, "--file", tmp_path / "x.chip") == first


def test_a_board_keeps_the_uid_of_its_chip(tmp_path: Path) -> None:
    boards = [tmp_path / f"{number}.board" for number in range(2)]
    for board in boards:
        assert run("board", "new", board, "--version", "1.0.0").exit_code == 0
    uids = [uid_of(tmp_path, "--file", board) for board in boards]
    assert uids[0] != uids[1]
    assert run("update", NEW["bin"], "--board", boards[0], "--quiet").exit_code == 0
    assert uid_of(tmp_path, "--file", boards[0]) == uids[0]
    seeded = tmp_path / "seeded.board"
    run("board", "new", seeded, "--version", "1.0.0", "--seed", 7)
    assert load_board(seeded).uid is None
    assert uid_of(tmp_path, "--file", seeded) == uid_of(tmp_path, "--seed", 7)


def test_what_is_remembered_of_one_chip_is_not_believed_of_another(tmp_path: Path) -> None:
    link, cache = tmp_path / "tty", tmp_path / "cache"
    common = ("--port", link, "--cache", cache, "--diff", "cache", "--json")
    written = []
    for file in ("a.chip", "b.chip", "a.chip"):
        with serving(PART, "--link", link, "--file", tmp_path / file) as served:
            done = run("flash", *IMAGE, *common)
            assert done.exit_code == 0, done.output
            written.append(json.loads(done.stdout.splitlines()[-1])["written_bytes"])
            assert run("verify", *IMAGE, "--port", link).exit_code == 0
            assert served.end() == 0
    assert written[0] == written[1] > 0
    assert written[2] == 0
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("uid", [b"", bytes(12), b"\xff" * 12])
def test_a_uid_that_was_not_read_or_is_blank_identifies_nothing(uid: bytes) -> None:
    assert not identifies(uid)
    assert identifies(b"EMU" + bytes(9))

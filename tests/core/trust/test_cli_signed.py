"""``--require-signature`` as a user gives it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mcu_updater.cli.main import cli
from tests.core.trust import signed_worlds as worlds
from tests.core.trust import signing


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], env={"COLUMNS": "160"})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with keys and images."""
    for who in ("owner", "stranger"):
        (tmp_path / f"{who}.pem").write_bytes(signing.public_pem("ed25519", who))
    (tmp_path / "private.pem").write_bytes(signing.private_pem("ed25519"))
    for version, counter in (("1.0.0", 1), ("2.0.0", 2), ("2.5.0", 1)):
        (tmp_path / f"{version}.bin").write_bytes(worlds.made(version, counter=counter))
    (tmp_path / "plain.bin").write_bytes(signing.body("2.0.0", header_size=0))
    return tmp_path


def update(files: Path, image: str, key: str = "owner", *more: object) -> Result:
    keys = ("--require-signature", files / f"{key}.pem") if key else ()
    return run("update", files / image, "--board", files / "one.board", *keys, *more)


def test_a_signed_image_is_taken_and_its_keys_are_kept(files: Path) -> None:
    assert update(files, "2.0.0.bin").exit_code == 0
    result = run("board", "status", files / "one.board")
    assert "version 2.0.0, security counter 2" in result.output
    result = update(files, "2.5.0.bin", "", "--to", "2.5.0")
    assert result.exit_code == 3
    assert "security counter is lower" in result.output
    why = run("board", "why", files / "one.board").output
    assert "its signature was verified: version 2.0.0, security counter 2" in why
    assert "nothing below version 2.0.0, security counter 2 is taken on this device" in why
    assert "version 2.0.0, confirmed" in why


@pytest.mark.parametrize("image", ["plain.bin", "1.0.0.bin", "2.5.0.bin"])
def test_what_is_not_what_was_asked_for_ends_with_3(files: Path, image: str) -> None:
    result = update(files, image)
    assert result.exit_code == 3
    assert "will not be booted" in result.output
    assert "version 1.0.0, confirmed" in run("board", "why", files / "one.board").output


def test_another_key(files: Path) -> None:
    result = update(files, "2.0.0.bin", "stranger")
    assert result.exit_code == 3
    assert "a key that is not trusted" in result.output
    both = ("--require-signature", files / "owner.pem")
    assert update(files, "2.0.0.bin", "stranger", *both).exit_code == 0


def test_keys_that_are_none(files: Path) -> None:
    (files / "junk.pem").write_text("junk")
    reasons = {"private": (3, "must not have"), "2.0.0": (4, "no such file"), "junk": (3, "key")}
    for key, (code, text) in reasons.items():
        result = update(files, "2.0.0.bin", key)
        assert (result.exit_code, text in result.output) == (code, True), result.output
    assert not (files / "one.board").exists()


def test_classes(files: Path) -> None:
    mine = "00112233-4455-6677-8899-aabbccddeeff"
    image = signing.signed("2.0.0", counter=2, cid=mine)
    (files / "class.bin").write_bytes(image)
    assert update(files, "2.0.0.bin", "owner", "--require-class", mine).exit_code == 3
    assert update(files, "class.bin", "owner", "--require-class", mine).exit_code == 0
    assert update(files, "class.bin", "", "--require-class", mine).exit_code == 2
    assert update(files, "class.bin", "owner", "--require-class", "mine").exit_code == 2


def test_a_board_from_a_factory_that_signs(files: Path) -> None:
    board = files / "one.board"
    make = ("board", "new", board, "--version", "1.0.0", "--require-signature", files / "owner.pem")
    assert run(*make).exit_code == 3  # the made-up image is not signed
    assert run(*make, "--image", files / "1.0.0.bin").exit_code == 0
    assert update(files, "2.0.0.bin", "").exit_code == 0
    assert update(files, "plain.bin", "", "--to", "3.0.0").exit_code == 3


def test_a_cut_update_goes_on_with_the_keys_that_the_board_keeps(files: Path) -> None:
    assert update(files, "2.0.0.bin", "owner", "--cut-at", 30).exit_code == 9
    assert run("board", "boot", files / "one.board").exit_code == 0
    assert "version 2.0.0, confirmed" in run("board", "why", files / "one.board").output
    assert "its signature was verified" in run("board", "why", files / "one.board").output


def test_a_signed_image_without_a_key_names_the_option(files: Path) -> None:
    result = update(files, "2.0.0.bin", "")
    assert result.exit_code == 3
    assert "a signed image, and nobody has said whose signature counts" in result.output
    assert "--require-signature KEY" in result.output


def test_image_check_looks_behind_the_header(files: Path) -> None:
    assert run("image", "check", files / "2.0.0.bin", "--part", "STM32L476xG").exit_code == 0
    worse = bytearray((files / "2.0.0.bin").read_bytes())
    worse[signing.HEADER_SIZE + 4] ^= 1  # the Thumb bit
    (files / "worse.bin").write_bytes(worse)
    result = run("image", "check", files / "worse.bin")
    assert result.exit_code == 3
    assert "reset vector has no Thumb bit" in result.output

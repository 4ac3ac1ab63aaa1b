"""``mcu-updater delta``: make, apply, info, and what they refuse."""

import json
import random
from pathlib import Path

import pytest

from tests.cli.command_line import NEW, OLD, run, runs
from tests.core.trust.signing import private_pem, public_pem, signed


@pytest.mark.parametrize("profile", ["device", "host"])
def test_make_info_apply(tmp_path: Path, profile: str) -> None:
    package, image = tmp_path / "d.mcud", tmp_path / "new.bin"
    made = run("delta", "make", OLD, NEW["bin"], "-o", package, "--profile", profile,
               "--from", "1.0.0", "--to", "2.0.0")  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "builtin" in made.stdout
    assert "applied: gives NEW" in made.stdout
    info = json.loads(run("delta", "info", package, "--json").stdout)
    assert (info["base_version"], info["target_version"]) == ("1.0.0", "2.0.0")
    assert info["target_size"] == NEW["bin"].stat().st_size
    assert "2.0.0" in run("delta", "info", package).stdout
    assert run("delta", "apply", OLD, package, "-o", image).exit_code == 0
    assert image.read_bytes() == NEW["bin"].read_bytes()


def test_costs_of_both_ways(tmp_path: Path) -> None:
    result = run("delta", "make", OLD, NEW["bin"], "-o", tmp_path / "d", "--json",
                 "--air-rate", "8", "--baud", "10000")  # fmt: skip
    costs = json.loads(result.stdout)
    full = costs["full"]
    assert full["size"] == NEW["bin"].stat().st_size
    assert full["air_s"] == full["serial_s"] == pytest.approx(full["size"] / 1000)
    assert costs["delta"]["size"] == (tmp_path / "d").stat().st_size < full["size"]
    assert costs["delta"]["flash_s"] == full["flash_s"] > 0


def test_another_base_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    package, image = tmp_path / "d.mcud", tmp_path / "new.bin"
    run("delta", "make", OLD, NEW["bin"], "-o", package)
    result = run("delta", "apply", NEW["bin"], package, "-o", image)
    assert result.exit_code == 3
    assert "another base image" in result.stderr
    assert not image.exists()


def test_damage_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    package, image = tmp_path / "d.mcud", tmp_path / "new.bin"
    run("delta", "make", OLD, NEW["bin"], "-o", package)
    data = bytearray(package.read_bytes())
    data[len(data) // 2] ^= 1
    package.write_bytes(data)
    assert run("delta", "apply", OLD, package, "-o", image).exit_code == 3
    assert not image.exists()
    package.write_bytes(data[:-1])
    result = run("delta", "info", package)
    assert result.exit_code == 3
    assert "not complete" in result.stderr


def test_a_delta_that_saves_nothing_is_refused_unless_forced(tmp_path: Path) -> None:
    noise, package = tmp_path / "noise.bin", tmp_path / "d.mcud"
    noise.write_bytes(random.Random(1).randbytes(2000))
    result = run("delta", "make", OLD, noise, "-o", package)
    assert result.exit_code == 2
    assert "no smaller than the full one" in result.stderr
    assert not package.exists()
    assert run("delta", "make", OLD, noise, "-o", package, "--force").exit_code == 0
    assert package.stat().st_size > 2000


@pytest.mark.parametrize("suffix", ["hex", "s19"])
def test_images_of_every_format(tmp_path: Path, suffix: str) -> None:
    """The package is the one that raw images give."""
    packages = []
    for number, new in enumerate((NEW["bin"], NEW[suffix])):
        old = OLD if number == 0 else OLD.with_suffix(f".{suffix}")
        packages.append(tmp_path / f"{number}.mcud")
        assert run("delta", "make", old, new, "-o", packages[-1]).exit_code == 0
    assert packages[0].read_bytes() == packages[1].read_bytes()
    image = tmp_path / "new.bin"
    old = OLD.with_suffix(f".{suffix}")
    assert run("delta", "apply", old, packages[1], "-o", image).exit_code == 0
    assert image.read_bytes() == NEW["bin"].read_bytes()


def test_a_slot_that_begins_before_the_image(tmp_path: Path) -> None:
    """What stands in flash before the first byte is blank, and belongs to the image."""
    package, image = tmp_path / "d.mcud", tmp_path / "new.bin"
    old = OLD.with_suffix(".hex")
    base = ("--base", "0x0800_7F00")
    assert run("delta", "make", old, NEW["hex"], "-o", package, *base).exit_code == 0
    assert run("delta", "apply", old, package, "-o", image, *base).exit_code == 0
    assert image.read_bytes() == b"\xff" * 256 + NEW["bin"].read_bytes()
    later = run("delta", "make", old, NEW["hex"], "-o", tmp_path / "x", "--base", "0x0800_8100")
    assert later.exit_code == 2
    assert "not within the slot" in later.stderr


def test_images_that_begin_at_different_addresses(tmp_path: Path) -> None:
    other = tmp_path / "other.hex"
    assert run("image", "convert", OLD, other, "--base", "0x0801_0000").exit_code == 0
    result = run("delta", "make", other, NEW["hex"], "-o", tmp_path / "d.mcud")
    assert result.exit_code == 2
    assert "0x0800_8000 and 0x0801_0000" in result.stderr


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    package, broken = tmp_path / "d.mcud", tmp_path / "broken.hex"
    run("delta", "make", OLD, NEW["bin"], "-o", package)
    broken.write_bytes(NEW["hex"].read_bytes()[:-40])
    for wrong in (package, broken):
        result = run("delta", "make", OLD, wrong, "-o", tmp_path / "other.mcud")
        assert result.exit_code == 3, result.output
    assert run("delta", "make", OLD, tmp_path / "none", "-o", tmp_path / "x").exit_code == 4


def test_a_signed_package_for_a_board_with_keys(tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private.write_bytes(private_pem("ed25519", "owner"))
    public.write_bytes(public_pem("ed25519"))
    old, new = tmp_path / "old.bin", tmp_path / "new.bin"
    old.write_bytes(signed("1.0.0", size=3000))
    new.write_bytes(signed("2.0.0", size=3000))
    package, board = tmp_path / "d.mcud", tmp_path / "one.board"
    key = ("--require-signature", public)
    new_board = ("board", "new", board, "--version", "1.0.0", "--image", old, *key)
    assert run(*new_board).exit_code == 0
    assert run("delta", "make", old, new, "-o", package).exit_code == 0
    refused = run("update", package, "--board", board)
    assert refused.exit_code == 3
    assert "the delta package is not signed" in refused.stderr
    assert (
        run("delta", "make", old, new, "-o", package, "--force", "--sign", private).exit_code == 0
    )
    info = json.loads(run("delta", "info", package, "--json").stdout)
    assert info["signature"]["kind"] == "ED25519"
    board.unlink()  # whose cloud would offer the first one again
    assert run(*new_board).exit_code == 0
    assert run("update", package, "--board", board).exit_code == 0
    assert runs(board) == ("B", "2.0.0", "CONFIRMED")
    assert run("delta", "make", old, new, "-o", package, "--force", "--sign", public).exit_code == 3


def test_an_update_with_a_delta_cut_and_carried_on(tmp_path: Path) -> None:
    package, board = tmp_path / "d.mcud", tmp_path / "one.board"
    run("board", "new", board, "--version", "1.0.0", "--image", OLD)
    run("delta", "make", OLD, NEW["hex"], "-o", package, "--to", "2.0.0")
    assert run("update", package, "--board", board, "--cut-at", 600).exit_code == 9
    assert run("board", "boot", board).exit_code == 0
    assert runs(board) == ("B", "2.0.0", "CONFIRMED")


def test_a_delta_for_another_image_is_refused_and_says_so_later(tmp_path: Path) -> None:
    package, board = tmp_path / "d.mcud", tmp_path / "one.board"
    run("board", "new", board, "--version", "1.0.0")
    run("delta", "make", OLD, NEW["bin"], "-o", package)
    result = run("update", package, "--board", board)
    assert result.exit_code == 3
    assert "another base image" in result.stderr
    assert "A full package is needed" in result.stderr
    assert "FAILED (other base)" in run("board", "why", board).stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--package", NEW["bin"], "--full", NEW["bin"]), "stands behind a delta package"),
        (("--full", NEW["bin"]), "stands behind a delta package"),
    ],
)
def test_what_cannot_be_served(options: tuple[object, ...], says: str) -> None:
    result = run("module", "serve", "--target-version", "2.0.0", *options)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_delta_is_served_to_devices_at_one_version(tmp_path: Path) -> None:
    package = tmp_path / "d.mcud"
    run("delta", "make", OLD, NEW["bin"], "-o", package)
    result = run("module", "serve", "--target-version", "2.0.0", "--package", package)
    assert result.exit_code == 2
    assert "--source-version V" in result.stderr

"""``mcu-updater delta``: make, apply, info, and what they refuse."""

import json
import random
from pathlib import Path

import pytest
from command_line import NEW, OLD, run


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

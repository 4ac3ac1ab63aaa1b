"""The commands `image` and `package`, as a user runs them; and an update by what they make."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.command_line import NEW, OLD, run, runs, update
from tests.places import FIXTURES

HOSTILE = FIXTURES / "hostile"


def test_inspect_tells_a_file_whatever_its_format(tmp_path: Path) -> None:
    found = {}
    for suffix, path in NEW.items():
        result = run("image", "inspect", path, "--part", "STM32L476xG", "--json")
        assert result.exit_code == 0, result.output
        found[suffix] = json.loads(result.stdout)
    for report in found.values():
        assert report["segments"] == [[0x0800_8000, 9236]]
        assert (report["stack"], report["reset"]) == (0x2001_8000, 0x0800_81AB)
        assert report["problems"] == []
        assert report["identities"] == {"fixture's version": "2.0.0"}
        (fit,) = report["fits"]
        assert (fit["why"], fit["sectors"], fit["erased"]) == ("", 5, 10240)
    assert len({tuple(report["hashes"].items()) for report in found.values()}) == 1
    assert found["hex"]["entry"] == 0x0800_81AB


def test_inspect_shows_a_picture_and_all_slots() -> None:
    result = run("image", "inspect", NEW["hex"])
    assert result.exit_code == 0
    assert "0x0800_8000 |#########" in result.stdout
    assert "STM32L476xG" in result.stdout
    assert "STM32F103x8" not in result.stdout  # linked for another place


def test_convert_there_and_back(tmp_path: Path) -> None:
    steps = [NEW["hex"], *(tmp_path / f"a.{s}" for s in ("s37", "titxt", "hex", "bin"))]
    for source, target in pairwise(steps):
        assert run("image", "convert", source, target).exit_code == 0
    assert steps[-1].read_bytes() == NEW["bin"].read_bytes()
    assert run("image", "convert", NEW["hex"], steps[-1]).exit_code == 4  # exists
    assert run("image", "convert", NEW["hex"], tmp_path / "a.xyz").exit_code == 2


def test_diff() -> None:
    same = run("image", "diff", NEW["hex"], NEW["s19"], "--equal")
    assert (same.exit_code, "hold the same bytes" in same.stdout) == (0, True)
    part = ("--part", "STM32L476xG")
    other = run("image", "diff", OLD, NEW["hex"], *part, "--json")
    report = json.loads(other.stdout)
    assert (other.exit_code, report["equal"], report["sectors"]) == (0, False, 5)
    assert run("image", "diff", OLD, NEW["hex"], *part, "--equal").exit_code == 3


def test_check_exits_with_0_or_3_and_annotates() -> None:
    good = run("image", "check", NEW["hex"], NEW["s19"], "--part", "STM32L476xG")
    assert good.exit_code == 0, good.output
    bad = HOSTILE / "wrong-checksum.hex"
    result = run("image", "check", NEW["hex"], bad, "--annotate")
    assert result.exit_code == 3
    assert (
        f"::error file={bad},line=2,col=18::line 2, column 18: record checksum is wrong; "
        "expected F2, found 00" in result.stdout
    )
    wrong_part = run("image", "check", NEW["hex"], "--part", "STM32F429xI")
    assert (wrong_part.exit_code, "does not fit STM32F429xI" in wrong_part.stderr) == (3, True)


def test_a_rule_is_relaxed_on_request_only() -> None:
    path = HOSTILE / "no-end.hex"
    assert run("image", "inspect", path).exit_code == 3
    result = run("image", "inspect", path, "--allow", "no-end")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("piece", [None, 3000])
def test_an_update_by_a_package(tmp_path: Path, suffix: str, piece: int | None) -> None:
    """Module, pieces, power cut, flash: unpacked on the way, and it boots."""
    package = tmp_path / f"fw.{suffix}"
    made = run(
        "package", "build", package, f"{NEW['hex']}:STM32:2.0.0", f"{OLD}:radio:1.0.0"
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    board = tmp_path / "one.board"
    pieces = () if piece is None else ("--piece-size", piece)
    cut = update("--board", board, "--cut-at", 700, *pieces, image=package)
    assert cut.exit_code == 9, cut.output
    result = run("board", "boot", board)
    assert result.exit_code == 0, result.output
    assert runs(board) == ("B", "2.0.0", "CONFIRMED")


@pytest.mark.parametrize(
    ("fields", "words"),
    [("modem:2.0.0", "no image for this device"), ("STM32:2.0.1", "another version than was ann")],
)
def test_a_package_for_another_is_rejected(tmp_path: Path, fields: str, words: str) -> None:
    package = tmp_path / "fw.zip"
    assert run("package", "build", package, f"{NEW['bin']}:{fields}").exit_code == 0
    result = update(image=package)
    assert (result.exit_code, words in result.output + result.stderr) == (3, True)


def test_the_same_files_make_the_same_package(tmp_path: Path) -> None:
    for suffix in ("zip", "tar", "tar.gz"):
        paths = [tmp_path / f"{i}.{suffix}" for i in (1, 2)]
        for path in paths:
            assert run("package", "build", path, NEW["bin"], "--component", "STM32").exit_code == 0
        assert paths[0].read_bytes() == paths[1].read_bytes()
        shown = run("image", "inspect", paths[0], "--part", "STM32L476xG", "--json")
        report = json.loads(shown.stdout)
        assert (report["inner"], report["fits"][0]["why"]) == ("bin", "")
        assert report["images"] == [["STM32", "", "", ["fixture-2.0.0.bin"]]]
    assert run("package", "build", tmp_path / "a.rar", NEW["bin"]).exit_code == 2


def test_an_update_joins_parts_and_refuses_what_nobody_can_interpret(tmp_path: Path) -> None:
    data = NEW["bin"].read_bytes()
    (tmp_path / "fw.bin_1").write_bytes(data[:4000])
    (tmp_path / "fw.bin_2").write_bytes(data[4000:])
    assert update("--join", image=tmp_path / "fw.bin_1").exit_code == 0
    apart = update(image=tmp_path / "fw.bin_1")
    assert apart.exit_code == 3
    assert "modules take one file for an MCU, the package has several" in apart.stderr
    assert "--join" in apart.stderr
    served = run("module", "serve", "--package", tmp_path / "fw.bin_1", "--target-version", "2")
    assert (served.exit_code, "the package has several" in served.stderr) == (3, True)
    one = tmp_path / "fw.bin"
    assert run("image", "convert", tmp_path / "fw.bin_1", one).exit_code == 0
    assert one.read_bytes() == data
    assert update(image=one).exit_code == 0
    result = update(image=HOSTILE / "module.pack")
    assert (result.exit_code, "nobody can interpret it" in result.stderr) == (3, True)

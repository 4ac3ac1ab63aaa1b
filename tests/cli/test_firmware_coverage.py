"""``firmware explore --coverage``."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.command_line import run
from tests.places import ROOT

EXAMPLE = ROOT / "examples/c_bootloader"
FILES = {"coverage.info", "after-a-cut.info", "coverage.json", "index.html"}


def explore(board: Path, *options: object) -> Result:
    return run("firmware", "explore", board, "--quiet", "--jobs", 1, *options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The example, copied."""
    copy: Path = tmp_path_factory.mktemp("boards") / "c_bootloader"
    shutil.copytree(EXAMPLE, copy)
    return copy


def test_the_example(folder, tmp_path):
    done = explore(folder / "board.toml", "--coverage", tmp_path / "out")
    assert done.exit_code == 0
    assert "coverage: 53 boots, 52 of them after a cut" in done.stdout
    assert "branches of recovery that no cut ever reached: 2" in done.stdout
    assert "start(), bootloader.c:100: never goes to bootloader.c:103" in done.stdout
    assert {each.name for each in (tmp_path / "out").iterdir()} == FILES
    source = (folder / "bootloader.c").resolve()
    assert f"SF:{source}\n" in (tmp_path / "out/coverage.info").read_text()


def test_the_search_is_the_same_and_its_json_has_standard_output(folder, tmp_path):
    plain = json.loads(explore(folder / "board.toml", "--json").stdout)
    done = json.loads(explore(folder / "board.toml", "--json", "--coverage", tmp_path).stdout)
    wanted = ("states", "boots", "cuts", "edges", "chain")
    (one,), (other,) = plain["results"], done["results"]
    assert {name: one.get(name) for name in wanted} == {name: other.get(name) for name in wanted}
    assert {each.name for each in tmp_path.iterdir()} == FILES


def test_a_bootloader_with_a_finding_is_covered_too(folder, tmp_path):
    done = explore(folder / "first_try.toml", "--coverage", tmp_path)
    assert done.exit_code == 7
    assert {each.name for each in tmp_path.iterdir()} == FILES


@pytest.mark.judge("arm-none-eabi-binutils")
def test_without_lines_the_listing_lies_beside(folder, tmp_path):
    copy = tmp_path / "board"
    shutil.copytree(folder, copy)
    elf = copy / "bootloader.elf"
    subprocess.run(["arm-none-eabi-strip", "--strip-debug", elf], check=True)
    done = explore(copy / "board.toml", "--coverage", tmp_path / "out", "--cuts", "1")
    assert "Its instructions stand for lines, in bootloader.elf.lst" in done.stdout
    listing = tmp_path / "out/bootloader.elf.lst"
    assert f"SF:{listing}\n" in (tmp_path / "out/coverage.info").read_text()
    assert "start:" in listing.read_text()


@pytest.mark.judge("arm-none-eabi-gcc")
def test_a_board_without_an_elf_is_told_what_it_needs(folder, tmp_path):
    copy = tmp_path / "board"
    shutil.copytree(folder, copy)
    command = ["arm-none-eabi-objcopy", "-O", "ihex", "bootloader.elf", "bootloader.hex"]
    subprocess.run(command, cwd=copy, check=True)
    board = copy / "board.toml"
    board.write_text(board.read_text().replace("bootloader.elf", "bootloader.hex"))
    done = explore(board, "--coverage", tmp_path / "out")
    assert done.exit_code == 2
    assert "no program of this board can be covered" in done.stderr
    assert "bootloader.hex is no ELF file" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_elf_that_was_built_again_is_not_believed(folder, tmp_path):
    copy = tmp_path / "board"
    shutil.copytree(folder, copy)
    (copy / "old.elf").write_bytes((copy / "first_try.elf").read_bytes())
    board = copy / "board.toml"
    text = board.read_text().replace('"bootloader.elf"', '"bootloader.elf"\nelf = "old.elf"')
    board.write_text(text)
    done = explore(board, "--coverage", tmp_path / "out")
    assert done.exit_code == 2
    assert "old.elf does not hold the bytes of image" in done.stderr


def test_a_folder_that_cannot_be_made(folder, tmp_path):
    (tmp_path / "file").write_text("")
    done = explore(folder / "board.toml", "--coverage", tmp_path / "file/out")
    assert done.exit_code == 4
    assert "this folder cannot be made" in done.stderr


@pytest.mark.parametrize("option", ["--replay", "--check"])
def test_nothing_is_covered_but_searches(folder, tmp_path, option):
    given = "board:1t" if option == "--replay" else folder / "board.toml"
    done = explore(folder / "board.toml", option, given, "--coverage", tmp_path / "out")
    assert done.exit_code == 2
    assert "--coverage" in done.stderr


def test_a_quick_search_is_not_covered(folder, tmp_path):
    done = explore(folder / "board.toml", "--quick", "--coverage", tmp_path / "out")
    assert done.exit_code == 2
    assert "--coverage" in done.stderr


def test_two_programs_for_the_same_addresses_are_not_told_apart(folder, tmp_path):
    copy = tmp_path / "board"
    shutil.copytree(folder, copy)
    other = '\n[[images]]\nfile = "first_try.elf"\naddress = 0x0806_0000\n'
    board = copy / "board.toml"
    board.write_text(board.read_text() + other)
    done = explore(board, "--coverage", tmp_path / "out")
    assert done.exit_code == 2
    assert "bootloader.elf and first_try.elf are linked for the same addresses" in done.stderr

"""The hall of bricks: each brick is found and no good twin accused, by what is just enough.

``make hall`` looks at all of them by four methods; docs/explanation/hall-of-bricks.md has what came
of it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from examples.hall_of_bricks import hall, score, table
from examples.hall_of_bricks.catalogue import CLASSES, HERE, Brick, bricks
from examples.hall_of_bricks.methods import CLEAN, Found, look
from flash_emulator import part_names
from tests.thorough import THOROUGH, one_in

ALL = bricks()
BY_NAME = {brick.name: brick for brick in ALL}


def named(brick: Brick) -> str:
    return brick.name


# --- what is there


def test_there_are_bricks_enough_of_every_kind() -> None:
    assert len(ALL) >= 25 and len(BY_NAME) == len(ALL)
    assert {brick.found_by for brick in ALL} == set(CLASSES)
    assert sum(brick.is_firmware for brick in ALL) >= 10
    assert len({brick.part for brick in ALL}) >= 6


def test_every_folder_is_a_brick_of_the_list() -> None:
    folders = {path.parent.name for path in HERE.glob("*/brick.toml")}
    folders |= {path.parent.name for path in HERE.glob("*/program.py")}
    assert folders == set(BY_NAME)


@pytest.mark.parametrize("brick", ALL, ids=named)
def test_an_entry_says_what_other_tools_need(brick: Brick) -> None:
    assert brick.part in part_names() and brick.title and brick.reports
    for report in brick.reports:
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", report.url)
        assert report.says.endswith(".")
    least = {"no cut": 0, "single clean": 1, "single torn": 1, "two cuts": 2}
    assert brick.cuts == least.get(brick.found_by, brick.cuts)
    assert brick.found_by != "closure" or brick.cuts > 2
    for which in (brick.brick, brick.twin):
        assert (HERE / brick.name / which.partition(":")[0]).is_file()


@pytest.mark.parametrize("brick", [each for each in ALL if each.is_firmware], ids=named)
def test_the_twins_board_differs_from_the_bricks_in_the_program_alone(brick: Brick) -> None:
    one, other = ((HERE / brick.name / file).read_text() for file in (brick.brick, brick.twin))
    assert other == one.replace("brick.elf", "twin.elf") and other != one
    assert f'part = "{brick.part}"' in one
    assert (HERE / brick.name / "brick.elf").stat().st_size < 6000


# --- what is found

CLEAN_CUTS_ALONE = {"attempts_used_up_by_cuts"}
"""Any number of clean cuts is enough here, and much quicker."""


@pytest.mark.parametrize("brick", ALL, ids=named)
def test_a_brick_is_found_by_the_least_that_is_said_to_find_it(brick: Brick) -> None:
    outcomes = CLEAN if brick.name in CLEAN_CUTS_ALONE and not THOROUGH else None
    found = look(brick, "brick", table.cheapest_of(brick), outcomes)
    assert (found.question, found.cuts) == (brick.question, brick.cuts), found


TWINS = one_in(3, ALL)


@pytest.mark.parametrize("brick", ALL, ids=named)
def test_its_good_twin_is_not_accused_by_the_same(brick: Brick) -> None:
    method = "closure" if brick in TWINS else "single clean"
    found = look(brick, "twin", method)
    assert not found.is_brick, found
    assert found.is_complete or method != "closure"


# --- the page


def test_the_page_says_what_is_expected() -> None:
    rows, sources = table.rows_of(table.PAGE.read_text(encoding="utf-8"))
    assert sources == [table.source_row(brick) for brick in ALL]
    assert [row[:-1] for row in rows] == [table.row(brick, None)[:-1] for brick in ALL]
    assert all(re.fullmatch(r"\d+\.\d( / \d+\.\d){3}", row[-1]) for row in rows)
    assert table.counts(rows) in table.PAGE.read_text(encoding="utf-8")


def test_what_is_not_as_expected_is_told() -> None:
    brick = BY_NAME["settings_erased_in_place"]
    right = hall.looks_of(brick)
    assert table.wrong(brick, right) == []
    for other, said in [
        (replace(brick, found_by="two cuts"), "single clean: found"),
        (replace(brick, cuts=2), "cuts in a row: expected 2, found 1"),
        (replace(brick, question="live"), "question: expected live, found safe"),
    ]:
        assert said in table.wrong(other, right)
    accused = {**right, ("twin", "closure"): right["brick", "closure"]}
    assert any("the good twin is accused" in each for each in table.wrong(brick, accused))
    missed = Found("", "", "", 0, True, 0.0)
    assert "closure: not found" in table.wrong(brick, {**right, ("brick", "closure"): missed})


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert hall.main(["settings_erased_in_place", "--jobs", "1"]) == 0
    assert "1 bricks, 0 not as expected" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        hall.main(["no_such_brick"])
    assert "no_such_brick: no brick of that name; expected one of" in capsys.readouterr().err


# --- other tools


def results(tmp_path: Path, data: object) -> Path:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def test_another_tool_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    perfect = {name: {"brick": True, "twin": False} for name in BY_NAME}
    assert hall.main(["--score", str(results(tmp_path, perfect))]) == 0
    only = {
        "option_byte_toggle": {"brick": True, "twin": True},
        "settings_erased_in_place": {"brick": False, "twin": False},
    }
    file = results(tmp_path, only)
    assert hall.main(["--score", str(file)]) == 1
    rows = {row[0]: row[1:] for row in score.scored(score.read(file, list(BY_NAME)), ALL)}
    torn = sum(brick.found_by == "single torn" for brick in ALL)
    clean = sum(brick.found_by == "single clean" for brick in ALL)
    assert rows["single torn"] == (torn, 1, 1, torn - 1)
    assert rows["single clean"] == (clean, 0, 0, clean - 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "expected an object by name of brick"),
        ({"nothing": {"brick": True, "twin": False}}, "nothing: no brick of that name"),
        ({"option_byte_toggle": {"brick": True}}, 'expected {"brick": true or false'),
        ({"option_byte_toggle": {"brick": 1, "twin": 0}}, 'expected {"brick": true or false'),
    ],
)
def test_results_of_another_form_are_refused(data: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(score.BadResults, match=re.escape(said)):
        score.read(results(tmp_path, data), list(BY_NAME))


def test_results_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(score.BadResults, match="cannot be read as JSON"):
        score.read(tmp_path / "none.json", list(BY_NAME))


# --- the ELF files


@pytest.mark.judge("arm-none-eabi-gcc")
def test_the_sources_give_the_committed_images(tmp_path: Path) -> None:
    made = tmp_path / "hall"
    shutil.copytree(HERE, made, ignore=shutil.ignore_patterns("*.elf", "twin.toml", "__pycache__"))
    version = subprocess.run(
        ["arm-none-eabi-gcc", "--version"], check=True, capture_output=True, text=True
    ).stdout.splitlines()[0]
    subprocess.run(["make", "-C", made], check=True, capture_output=True)
    if "12.2.1 20221205" not in version:
        pytest.skip(f"the images were made with 12.2.1 20221205, installed is {version}")
    committed = sorted([*HERE.glob("*/*.elf"), *HERE.glob("*/twin.toml")])
    assert len(committed) >= 30
    for file in committed:
        assert (made / file.relative_to(HERE)).read_bytes() == file.read_bytes(), file

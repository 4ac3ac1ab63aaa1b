"""The hall of bricks: each brick is found and no good twin accused, by what is just enough.

``make hall`` looks at all of them by four methods; docs/explanation/hall-of-bricks.md has what came
of it.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from examples.hall_of_bricks import hall, score, table
from examples.hall_of_bricks.catalogue import CLASSES, HERE, Brick, bricks
from examples.hall_of_bricks.methods import CLEAN, METHODS, Found, look
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
    assert not brick.differs or brick.differs.endswith(".")
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
    text = table.PAGE.read_text(encoding="utf-8")
    assert table.counts(rows) in text
    assert "\n".join(map(table.reported, ALL)) in text


def slower(row: tuple[str, ...], factor: float) -> tuple[str, ...]:
    seconds = [float(each) * factor + 0.1 for each in row[-1].split(" / ")]
    return (*row[:-1], " / ".join(f"{each:.1f}" for each in seconds))


def test_a_run_that_takes_about_as_long_leaves_the_page_as_it_is(tmp_path: Path) -> None:
    text = table.PAGE.read_text(encoding="utf-8")
    rows, _ = table.rows_of(text)
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    table.write(page, ALL, [slower(row, 1.5) for row in rows])
    assert page.read_text(encoding="utf-8") == text
    table.write(page, ALL, [slower(row, 3.0) for row in rows])
    others = [row for row in table.rows_of(page.read_text(encoding="utf-8"))[0] if row not in rows]
    assert 0 < len(others) < len(rows)
    assert slower(rows[7], 3.0) in others  # that of the longest search


def test_seconds_of_another_form_are_replaced() -> None:
    for before in ("", "0.1 / 0.2", "a / b"):
        assert table.steady(before, "0.1 / 0.2 / 0.3 / 0.4") == "0.1 / 0.2 / 0.3 / 0.4"


@pytest.mark.parametrize("columns", [80, 100])
def test_the_table_fits_a_terminal(columns: int) -> None:
    slow = Found("live", "", "", 3, True, 16.7)
    passed = replace(slow, question="")
    looks = {("brick", method): slow for method in METHODS}
    looks |= {("twin", method): passed for method in METHODS}
    console = Console(width=columns, record=True, file=io.StringIO())
    console.print(hall.shown([(brick, looks) for brick in ALL]))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= columns and not any("…" in line for line in lines)
    if columns >= 100:
        assert all(any(line.strip().startswith(name) for line in lines) for name in BY_NAME)
    else:
        names = "".join(line[:21].strip() for line in lines)
        assert all(name in names for name in BY_NAME)


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
    assert rows["single torn"] == (torn, 0, 1, 1, torn - 1)
    assert rows["single clean"] == (clean, 0, 0, 0, clean - 1)


def test_who_accuses_everything_tells_nothing_apart(tmp_path: Path) -> None:
    for said in (True, False):
        file = results(tmp_path, {name: {"brick": said, "twin": said} for name in BY_NAME})
        rows = score.scored(score.read(file, list(BY_NAME)), ALL)
        assert sum(int(row[2]) for row in rows) == 0
        assert hall.main(["--score", str(file)]) == 1


def test_names_choose_what_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {name: {"brick": True, "twin": name != "option_byte_toggle"} for name in BY_NAME}
    file = str(results(tmp_path, said))
    assert hall.main(["option_byte_toggle", "--score", file]) == 0
    assert hall.main(["settings_erased_in_place", "--score", file]) == 1


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
    file = tmp_path / "results.json"
    for text, said in [
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"a": {}, "a": {}}', "a: 2 times in one object"),
        ("\ufeff{}", "cannot be read as JSON"),
        ("", "cannot be read as JSON"),
    ]:
        file.write_text(text, encoding="utf-8")
        with pytest.raises(score.BadResults, match=said):
            score.read(file, list(BY_NAME))


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

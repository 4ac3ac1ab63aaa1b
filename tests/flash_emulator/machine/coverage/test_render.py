"""Coverage for a terminal, for lcov, for programs, and as a page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from flash_emulator.machine.coverage import Coverage, coverage_of
from flash_emulator.machine.coverage.render import (
    coverage_html,
    coverage_json,
    coverage_lines,
    lcov,
)
from flash_emulator.machine.debug_info import read_debug_info
from tests.flash_emulator.explore.headless import browser, console, requests, resize
from tests.flash_emulator.machine.boards import PROGRAMS, copy_board
from tests.flash_emulator.machine.coverage.covering import copying, lines, number, traced

RECOVERY = PROGRAMS / "recovery.c"


def named(file):
    return str(PROGRAMS / file.name)


@pytest.mark.judge("lcov")
@pytest.mark.parametrize("after", [False, True])
def test_lcov_reads_the_same_numbers(tmp_path, after):
    _, coverage = copying("recovery")
    (tmp_path / "coverage.info").write_text(lcov(coverage, named, after=after))
    shown = subprocess.run(
        ["lcov", "--summary", "coverage.info", "--rc", "lcov_branch_coverage=1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"(\w+)\.*: [\d.]+% \((\d+) of (\d+)", shown.stdout + shown.stderr)

    def hits(counted):
        counts = [boots.after if after else boots.all for boots in counted]
        return str(sum(count > 0 for count in counts)), str(len(counts))

    files = coverage.files
    assert {name: (hit, total) for name, hit, total in found} == {
        "lines": hits([line.boots for file in files for line in file.lines]),
        "functions": hits([each.boots for file in files for each in file.functions]),
        "branches": hits([w.boots for file in files for each in file.branches for w in each.ways]),
    }


def test_json_has_every_line_and_every_branch():
    _, coverage = copying("recovery")
    values = json.loads(coverage_json(coverage))
    assert (values["format"], values["version"]) == ("flash power-loss coverage", 1)
    file = next(each for each in values["files"] if each["file"] == "recovery.c")
    counted = {line["line"]: (line["any"], line["after_a_cut"]) for line in file["lines"]}
    assert counted == {n: (b.all, b.after) for n, b in lines(coverage, "recovery.c").items()}
    assert len(values["unreached"]) == len(coverage.unreached())
    first = values["unreached"][0]
    assert {"function", "file", "line", "never_taken", "text"} <= first.keys()


def test_a_terminal_gets_the_first_of_many_and_equal_ones_once(monkeypatch):
    monkeypatch.setattr("flash_emulator.machine.coverage.render.text._MOST", 6)
    _, coverage = copying("recovery")
    shown = list(coverage_lines(coverage))
    assert len(shown) == len(set(shown))
    assert any("(2 branches)" in line for line in shown)
    more = next(n for n, line in enumerate(shown) if line.endswith("more places: see index.html"))
    assert shown[more - 7].startswith("  branches of recovery that no cut ever reached: ")


# --- without lines


@pytest.fixture(scope="module")
def boots():
    return traced(copy_board("recovery", 8))[1]


def stripped(folder: Path, option: str) -> Path:
    to = folder / "recovery.elf"
    source = PROGRAMS / "recovery.elf"
    subprocess.run(["arm-none-eabi-strip", option, source, "-o", to], check=True)
    return to


@pytest.mark.judge("arm-none-eabi-binutils")
@pytest.mark.parametrize("option", ["--strip-debug", "--strip-all"])
def test_without_lines_instructions_stand_for_them(tmp_path, boots, option):
    elf = stripped(tmp_path, option)
    coverage = coverage_of(boots, [read_debug_info(elf)], ())
    (file,) = coverage.files
    assert file.is_listing
    assert file.name == "recovery.elf.lst"
    assert "Its instructions stand for lines, in recovery.elf.lst" in coverage.missing[0]
    whole = copying("recovery")[1]
    if option == "--strip-debug":
        assert {"repair", "hang"} <= {each.name for each in coverage.never_entered()}
        assert len(coverage.unreached()) == len(whole.unreached())
        assert any("install(), recovery.elf.lst:" in str(each) for each in coverage.unreached())
    assert {each.address for each in file.operations} == {
        each.address for other in whole.files for each in other.operations
    }
    assert file.text is not None
    at = next(line.number for line in file.lines if line.boots.after)
    assert re.match(r"    0x0800_[0-9A-F]{4}  \+0x[0-9a-f]+  \S", file.text[at - 1])


def test_a_source_that_is_gone_is_said(tmp_path, boots):
    shutil.copy(PROGRAMS / "recovery.elf", tmp_path)
    coverage = coverage_of(boots, [read_debug_info(tmp_path / "recovery.elf")], ())
    assert {file.text for file in coverage.files} == {None}
    assert "The source is not there: recovery.c." in coverage_html(coverage, "gone")
    assert lines(coverage, "recovery.c") == lines(copying("recovery")[1], "recovery.c")


# --- the page


def hostile(coverage: Coverage) -> Coverage:
    """With a line of the source, and a file's name, that would be markup."""
    first, *others = coverage.files
    assert first.text is not None
    text = ("<script>document.title = 'x'</script>\x1b[31m", *first.text[1:])
    return replace(coverage, files=(replace(first, text=text), *others))


@pytest.mark.judge("chromium")
def test_the_page_in_a_browser(tmp_path):
    _, coverage = copying("recovery")
    page = tmp_path / "index.html"
    page.write_text(coverage_html(hostile(coverage), "Coverage <of> & board"), encoding="utf-8")
    with browser(tmp_path / "profile", dark=True) as driver:
        driver.get("about:blank")
        requests(driver)
        console(driver)
        for width in (1280, 400):
            resize(driver, width)
            driver.get(page.as_uri())
            assert driver.execute_script("return document.body.scrollWidth") <= width
            assert driver.title == "Coverage <of> & board"
        assert set(requests(driver)) == {page.as_uri()}
        assert console(driver) == []
        row = driver.execute_script(
            "return [...document.querySelectorAll('tr.never')].map(row => row.innerText)"
        )
        assert any("done &= flash_erase(SLOT + offset);" in text for text in row)
        link = driver.execute_script("return document.querySelector('.unreached a').hash")
        assert driver.execute_script(f"return document.querySelector('{link}') !== null")


def test_operations_stand_at_their_lines():
    _, coverage = copying("recovery")
    page = coverage_html(coverage, "a board")
    line = number(PROGRAMS / "flash.c", "to[1] = unit[1];")
    (_, behind) = page.split(f'-{line}" class="after"><th scope="row">{line}</th>', 1)
    assert '<th scope="row">program</th>' in behind.split("</table>")[0]

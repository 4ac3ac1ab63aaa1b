"""``mcu-updater firmware``: a first board file, one boot, every cut."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result

from flash_emulator.machine.board_file import read_board_file
from tests.cli.boards import BOARD, PROGRAMS, write_board
from tests.cli.command_line import json_lines, run
from tests.places import ROOT

QUICK = ("--quiet", "--jobs", 1)


def explore(board: Path, *options: object) -> Result:
    return run("firmware", "explore", board, *QUICK, *options)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    return write_board(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def bad(tmp_path_factory) -> Path:
    return write_board(tmp_path_factory.mktemp("bad"), "copy_done_first")


# --- new


def new(folder: Path, program: str, *options: object, part: str = "STM32L476xG") -> Result:
    shutil.copy(PROGRAMS / f"{program}.elf", folder / "boot.elf")
    return run(
        *("firmware", "new", folder / "boot.elf", "--part", part, "-o", folder / "board.toml"),
        *options,
    )


@pytest.mark.parametrize("program", ["copy_restart", "swap_fb", "swap_option_1", "crc_boot"])
def test_a_first_board_is_a_good_one(tmp_path, program):
    assert new(tmp_path, program).exit_code == 0
    text = (tmp_path / "board.toml").read_text()
    board = read_board_file(tmp_path / "board.toml").board
    assert board.images[0].address == 0x0800_0000
    assert board.questions.untouched[0][0] == 0x0800_0000
    assert "FILL IN" in text


def test_it_says_what_can_be_seen_in_the_image(tmp_path):
    new(tmp_path, "copy_restart")
    text = (tmp_path / "board.toml").read_text()
    assert "# The bootloader: 0x0800_0000 to 0x0800_02DF." in text
    assert "Stack 0x2001_8000, entry 0x0800_0040 (start)." in text
    for sector in ("0x0800_4000", "0x0800_4800", "0x0800_8000"):
        assert f"#   {sector}\n" in text
    board = read_board_file(tmp_path / "board.toml").board
    assert (board.slots[0].address, board.slots[0].size) == (0x0800_8000, 0x7_8000)


def test_texts_of_the_image_are_named(tmp_path):
    new(tmp_path, "swap_option_1")
    assert r'#   "firmware 1\r\n"' in (tmp_path / "board.toml").read_text()


def test_a_file_that_is_there_is_left(tmp_path):
    (tmp_path / "board.toml").write_text("mine")
    result = new(tmp_path, "copy_restart")
    assert (result.exit_code, "exists already" in result.stderr) == (4, True)
    assert (tmp_path / "board.toml").read_text() == "mine"
    assert new(tmp_path, "copy_restart", "--force").exit_code == 0


def test_plain_bytes_need_an_address(tmp_path):
    (tmp_path / "boot.bin").write_bytes(bytes.fromhex("00800120 41000008") + bytes(64))
    words = ("firmware", "new", tmp_path / "boot.bin", "--part", "STM32L476xG", "-o")
    result = run(*words, tmp_path / "board.toml")
    assert result.exit_code == 3
    assert "plain bytes need a name in .bin and an address" in result.stderr
    assert run(*words, tmp_path / "board.toml", "--base", "0x08000000").exit_code == 0
    assert "address = 0x0800_0000" in (tmp_path / "board.toml").read_text()


def test_an_address_for_a_file_that_has_its_own(tmp_path):
    result = new(tmp_path, "copy_restart", "--base", "0x08001000")
    assert (result.exit_code, "--base has no effect" in result.stderr) == (2, True)


def test_an_application_is_no_bootloader(tmp_path):
    result = new(tmp_path, "app_1")
    assert result.exit_code == 3
    assert "no image lies at 0x0800_0000, where the core reads its vector table" in result.stderr
    assert not (tmp_path / "board.toml").exists()


def test_an_image_for_another_part(tmp_path):
    result = new(tmp_path, "copy_restart", part="STM32H743xI")
    assert result.exit_code == 0
    board = read_board_file(tmp_path / "board.toml").board
    assert board.part.name == "STM32H743xI"


def test_a_part_of_ones_own_gets_the_ram_that_its_stack_needs(tmp_path):
    own = Path(read_part("STM32L476xG")).read_text().replace('"STM32L476xG"', '"MINE"', 1)
    (tmp_path / "mine.toml").write_text(own)
    assert new(tmp_path, "copy_restart", part=str(tmp_path / "mine.toml")).exit_code == 0
    text = (tmp_path / "board.toml").read_text()
    assert 'part = "mine.toml"' in text
    assert "ram = [[0x2000_0000, 0x0001_8000]]" in text


def read_part(name: str) -> str:
    return str(PROGRAMS.parents[3] / f"flash_emulator/parts/{name}.toml")


# --- run


def test_one_boot_of_a_good_board(good):
    result = run("firmware", "run", good)
    assert result.exit_code == 0, result.output
    for line in (
        "    1: erase 0x0800_4800, at 0x0800_02AE (flash_erase+0x2e)",
        "    3 to 36: program 0x0800_8000, 272 bytes, at 0x0800_02CE (flash_program+0x12)",
        "    37: program 0x0800_4800, 8 bytes, at 0x0800_02CE (flash_program+0x12)",
        "ended: slot at 0x0800_8040: the slot at 0x0800_8000",
        "verdict: as the questions want it: slot new",
        "polls that were cut short: none",
    ):
        assert line in result.output.splitlines(), result.output
    assert "not modelled at all: DMA, USB" in result.output


def test_one_boot_for_a_program(good):
    (values,) = json_lines(run("firmware", "run", good, "--json"))
    assert (values["ok"], values["verdict"], values["violation"]) == (True, "slot new", None)
    assert [(o["kind"], o["units"]) for o in values["operations"]] == [
        ("erase", 1),
        ("erase", 1),
        ("program", 34),
        ("program", 1),
    ]
    assert values["operations"][0]["function"] == "0x0800_02AE (flash_erase+0x2e)"
    assert values["ended"]["kind"] == "slot"


def with_host(folder: Path, function: str) -> Path:
    (folder / "host.py").write_text(function)
    text = f'{BOARD}\n[host]\nusart = "USART2"\npython = "host.py:update"\n'
    return write_board(folder, text=text)


def test_what_the_host_did_is_shown(tmp_path):
    board = with_host(tmp_path, "def update(line):\n    line.expect('never', 3600)\n")
    result = run("firmware", "run", board)
    assert result.exit_code == 0
    assert "host at USART2:\n    waits: Expect(pattern=b'never', timeout_s=3600)" in result.output
    (values,) = json_lines(run("firmware", "run", board, "--json"))
    assert values["host"] == ["waits: Expect(pattern=b'never', timeout_s=3600)"]


@pytest.mark.parametrize("command", ["run", "explore"])
def test_a_host_that_is_wrong_is_no_fault_of_the_firmware(tmp_path, command):
    board = with_host(tmp_path, "def update(line):\n    raise KeyError('oops')\n")
    result = run("firmware", command, board)
    assert result.exit_code == 3
    assert "the host is at fault, not the firmware" in result.output
    assert "raised KeyError: 'oops'" in result.output


def test_what_a_usart_sends_is_shown(tmp_path):
    text = BOARD.replace("size = 0x4_0000", "size = 0x4_0000\nrest = false").replace(
        "[questions]", '[rest]\ntexts = ["app 2\\r\\n"]\n[questions]'
    )
    result = run("firmware", "run", write_board(tmp_path, text=text))
    assert result.exit_code == 0, result.output
    assert "sent:\n    app 2\n" in result.output
    assert "verdict: as the questions want it: text new" in result.output


def test_exceptions_and_resets_are_shown(tmp_path):
    board = write_board(tmp_path, "selftest", 'part = "STM32L476xG"\nimages = [{file="boot.elf"}]')
    board.write_text(board.read_text() + '\n[questions]\nrests_in = ["loop"]\n')
    result = run("firmware", "run", board)
    assert result.exit_code == 0, result.output
    assert "    SPTNMpcXUHVBFfbueEDZrwlLmsR" in result.output
    assert re.search(r"^    SVCall from 0x0800_\w+ \(\w+", result.output, re.MULTILINE), (
        result.output
    )
    assert "resets:\n    SYSRESETREQ\n" in result.output


def test_a_trace_has_every_block(good, tmp_path):
    trace = tmp_path / "trace.txt"
    assert run("firmware", "run", good, "--trace", trace).exit_code == 0
    lines = trace.read_text().splitlines()
    assert lines[0] == "0x0800_0040 (start)  12 bytes"
    assert any("(flash_program" in line for line in lines)
    size = sum(
        int(found[1]) * int((found[2] or "1").replace(",", ""))
        for line in lines
        if (found := re.search(r"  (\d+) bytes(?:, ([\d,]+) times)?$", line))
    )
    (values,) = json_lines(run("firmware", "run", good, "--json"))
    assert size // 2 == values["instructions"]


def test_a_boot_that_is_not_as_it_must_be(bad):
    text = bad.read_text().replace('wanted = "new"', 'wanted = "old"')
    other = bad.with_name("other.toml")
    other.write_text(text)
    result = run("firmware", "run", other)
    assert result.exit_code == 7
    assert "not live; found new runs, and old is lost" in result.stderr


# --- explore


def test_a_good_board_passes_with_all_its_evidence(good, tmp_path):
    files = {kind: tmp_path / f"r.{kind}" for kind in ("html", "junit", "json")}
    result = explore(
        *(good, "--html", files["html"], "--junit", files["junit"], "--json-file", files["json"]),
        *("--certificates", tmp_path / "certificates"),
    )
    assert result.exit_code == 0, result.output
    assert re.search(r"^board/[0-9a-f]{8}  passed ", result.output, re.MULTILINE)
    assert "1 scenario: 1 passed" in result.output
    assert "not asked: none" in result.output
    facts = json.loads(files["json"].read_text())["results"][0]["facts"]
    assert facts["questions"].startswith("safe: one of old, new runs; live: a boot comes to slot, ")
    assert "TrustZone" in facts["not modelled at all"]
    assert files["html"].read_text().startswith("<!")
    assert ElementTree.parse(files["junit"]).getroot().tag in ("testsuites", "testsuite")
    (certificate,) = (tmp_path / "certificates").iterdir()
    checked = run("firmware", "explore", good, "--check", certificate, "--check-sample", 3)
    assert checked.exit_code == 14, checked.output
    changed = tmp_path / "board.toml"
    write_board(tmp_path, text=BOARD.replace('wanted = "new"', ""))
    refused = run("firmware", "explore", changed, "--check", certificate)
    assert (refused.exit_code, "no certificate of this board" in refused.stderr) == (3, True)


def test_a_finding_has_an_id_and_its_film_names_instructions(bad):
    result = explore(bad)
    assert result.exit_code == 7, result.output
    (command, *_) = re.findall(r"mcu-updater (firmware explore .*)", result.output)
    film = run(*command.split())
    assert film.exit_code == 7, film.output
    assert re.search(r" 2  program 0x0800_4800, 8 bytes, at 0x0800_02DE \(flash_", film.output)
    assert re.search(r"CUT: power lost at flash operation 2 .* at 0x0800_02DE \(", film.output)
    assert "VIOLATION not live: old runs, and new is lost" in film.output


def test_a_film_has_the_numbers_of_the_search_and_one_line_a_loop(bad):
    film = run("firmware", "explore", bad, "--replay", "board/x:20t")
    assert re.search(r"^ +4 to 20  program 0x0800_8000, 136 bytes", film.output, re.MULTILINE)
    assert "flash operation 20 (program at 0x0800_8080), outcome torn" in film.output
    assert "note: this ID is of board/x; the board is now board/" in film.stderr


def test_a_film_for_a_browser_has_the_program_at_the_cut(bad, tmp_path):
    file = tmp_path / "film.html"
    run("firmware", "explore", bad, "--replay", "board/x:20t", "--html", file)
    page = file.read_text(encoding="utf-8")
    (data,) = re.findall(r'id="data">(.*?)</script>', page)
    film = json.loads(data)
    (cut,) = (frame for frame in film["frames"] if frame[2] == "cut")
    moment = cut[7]["moment"]
    assert all(moment[name] for name in ("stack", "registers", "flash"))
    assert moment["source"] or moment["code"]
    assert film["frames"][1][7]["doing"][0] in ("erase", "program")


def test_a_path_is_shrunk(bad):
    film = run("firmware", "explore", bad, "--shrink", "--replay", "board/x:1a.1a.2a")
    assert film.exit_code == 7, film.output
    assert re.search(r"^ID: board/[0-9a-f]{8}:2[a-z]$", film.output, re.MULTILINE), film.output


@pytest.mark.parametrize("path", ["", "board", "board/x:9q", "board/x:900t", ":", "a:b:c"])
def test_an_id_that_cannot_be_run(bad, path):
    result = run("firmware", "explore", bad, "--replay", path)
    assert (result.exit_code, "this path cannot be run" in result.stderr) == (2, True)


def test_single_cuts_are_quick_and_no_whole_answer(good):
    result = explore(good, "--cuts", 1)
    assert result.exit_code == 2
    assert "incomplete (cuts)" in result.output


def test_fewer_outcomes_are_quick_and_no_whole_answer(good):
    result = explore(good, "--outcomes", "before,after")
    assert result.exit_code == 15, result.output
    assert "NOT tried: cuts that leave torn, metastable, blank, weak" in result.output
    both = explore(good, "--outcomes", "after, BEFORE", "--json")
    assert both.exit_code == 15
    assert json_lines(both)[-1]["results"][0]["report"]["outcomes"] == ["before", "after"]


@pytest.mark.parametrize("text", ["none", "before,", "", "before;after"])
def test_an_outcome_that_there_is_none_of(good, text):
    result = explore(good, "--outcomes", text)
    assert (result.exit_code, "is not one of before, torn" in result.stderr) == (2, True)


def test_a_first_boot_that_is_wrong_is_said_to_be(tmp_path):
    board = write_board(tmp_path, text=BOARD.replace('"size:new"', "0"))
    result = explore(board)
    assert result.exit_code == 7
    assert "The very first boot, with no cut at all, is already wrong: mend that" in result.output
    assert "old runs, and new is lost" in result.output
    assert "incomplete" not in result.output


def test_what_is_not_asked_is_said(tmp_path):
    text = BOARD.replace('wanted = "new"', "").replace("published = true", "")
    result = explore(write_board(tmp_path, text=text), "--cuts", 1)
    assert (
        "not asked: safe (no image has published = true); whether the update is lo" in result.output
    )


@pytest.mark.thorough
def test_processes_come_to_the_same(good):
    one = explore(good, "--json")
    two = run("firmware", "explore", good, "--quiet", "--jobs", 2, "--json")
    reports = [json_lines(result)[-1]["results"][0]["report"] for result in (one, two)]
    for report in reports:
        report.pop("elapsed_s")
    assert reports[0] == reports[1]


# --- bad input


def test_a_wrong_board_is_told_with_all_its_faults(tmp_path):
    text = BOARD.replace("app_1.elf", "none.elf").replace("published", "publish", 1)
    for words in (("run",), ("explore",)):
        result = run("firmware", *words, write_board(tmp_path, text=text))
        assert result.exit_code == 3
        assert "line 9: images[2].publish: is no key here; expected published" in result.stderr
    text = BOARD.replace("app_1.elf", "none.elf").replace('wanted = "new"', 'wanted = "v3"')
    result = run("firmware", "run", write_board(tmp_path, text=text))
    assert "2 faults\n  line 8: images[2].file: cannot be read" in result.stderr or (
        "line 8: images[2].file: cannot be read" in result.stderr
    )


NO_ENGINE = """
import sys
sys.modules["unicorn"] = None
from mcu_updater.cli.main import cli
cli(prog_name="mcu-updater")
"""


@pytest.mark.parametrize("words", [("run",), ("explore", "--quiet")])
def test_without_the_extra_it_says_how_to_get_it(good, words):
    done = subprocess.run(
        [sys.executable, "-c", NO_ENGINE, "firmware", words[0], str(good), *words[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "pip install 'mcu-updater[cpu]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("board", "code", "found"), [("board", 0, "no"), ("first_try", 7, "30")])
def test_resets_are_a_sample_and_say_so(board, code, found):
    path = ROOT / f"examples/c_bootloader/{board}.toml"
    done = run("firmware", "explore", path, "--quiet", "--resets", 20, "--cuts", 1, "--jobs", 1)
    assert f"at 20 of {29 if code else 27} moments near flash operations" in done.stderr
    assert f": {found} findings" in done.stderr
    assert done.exit_code == (code or 2)  # --cuts 1 is no whole search

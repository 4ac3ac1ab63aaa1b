"""A project's configuration file: found, checked, run, overridden by the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import Result

from flash_emulator.explore import Counterexample
from flash_emulator.explore import Path as CutPath
from flash_emulator.explore.campaign import Result as Explored
from flash_emulator.player import FlashMap
from mcu_updater.cli.firmware import explore as firmware
from mcu_updater.cli.powerloss import powerloss
from mcu_updater.cli.powerloss.project import keys
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.known_hazards import KnownHazard
from tests.cli.command_line import json_lines, run
from tests.places import ROOT
from tests.project.documents_runner import COLUMNS

FIRMWARE = ROOT / "examples" / "c_bootloader"
TWO = """\
jobs = 1
quiet = true
cuts = 1
junit = "out/report.xml"

[[search]]
board = "fw/board.toml"
outcomes = ["before", "after"]

[[search]]
board = "fw/first_try.toml"
outcomes = "before,after"

[[search.known-hazard]]
question = "live"
text = "version 2 is lost"
reason = "the first try has no second one"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a project's files, and goes there."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "out").mkdir()
    shutil.copytree(FIRMWARE, tmp_path / "fw")
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "powerloss.toml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def planned(*words: object, command: tuple[str, ...] = ("powerloss",)) -> dict[str, Any]:
    result = run(*command, "--dry-run", "--json", *words)
    assert result.exit_code == 0, result.output
    (answer,) = json_lines(result)
    return answer


def names(answer: dict[str, Any]) -> list[str]:
    return [re.sub(r"/[0-9a-f]{8}$", "", each["name"]) for each in answer["searches"]]


# --- what is run


def test_the_campaign_of_a_project(project: Callable[..., Path]) -> None:
    """Two boards, one of them with a hazard that is known, and another that is not."""
    folder = project(TWO)
    result = run("powerloss")
    assert result.exit_code == 7, result.output
    assert "2 scenarios: 1 passed, 1 failed" in result.stdout
    replay = "mcu-updater firmware explore fw/first_try.toml --replay first_try/"
    assert replay in result.stdout
    suites = ElementTree.parse(folder / "out" / "report.xml").getroot().findall("testsuite")
    assert [suite.get("name", "").partition("/")[0] for suite in suites] == ["board", "first_try"]
    properties = {p.get("name"): p.get("value") for p in suites[1].iter("property")}
    assert properties["known hazards"] == "the first try has no second one"


def test_a_known_hazard_excuses_what_it_explains_and_nothing_else(
    project: Callable[..., Path],
) -> None:
    both = TWO.replace("fw/board.toml", "fw/other.toml").replace(
        'text = "version 2', '# "version 2'
    )
    shutil.copy(FIRMWARE / "board.toml", project(both) / "fw" / "other.toml")
    (answer,) = json_lines(run("powerloss", "--json"))
    assert [each["verdict"] for each in answer["results"]] == ["passed", "failed"]
    questions = {each["question"] for each in answer["results"][1]["counterexamples"]}
    assert questions == {"live", "safe"}
    also = '[[search.known-hazard]]\nquestion = "safe"\nreason = "nobody uses it"\n'
    project(both + also)
    (answer,) = json_lines(run("powerloss", "--json"))
    assert [each["verdict"] for each in answer["results"]] == ["passed", "incomplete"]
    (answer,) = json_lines(run("powerloss", "--json", "--cuts", 9))
    assert [each["verdict"] for each in answer["results"]] == ["passed", "known hazard"]
    assert answer["exit_code"] == 15
    assert json_lines(run("powerloss", "--json", "--cuts", 9, "--strict"))[0]["exit_code"] == 7


def test_a_known_hazard_excuses_what_has_its_words_alone() -> None:
    hazard = KnownHazard("live", "the first try has no second one", "version 2 is lost")
    lost = Counterexample("live", "version 1 runs, and version 2 is lost", CutPath())
    assert hazard.explains(lost)
    assert not hazard.explains(replace(lost, text="lock-up at 0x0800_019C"))
    assert not hazard.explains(replace(lost, question="safe"))


def test_a_hazard_that_is_not_there_any_more_is_a_failure(project: Callable[..., Path]) -> None:
    text = '[[search]]\nboard = "fw/board.toml"\noutcomes = "before,after"\n'
    hazard = '[[search.known-hazard]]\nquestion = "safe"\nreason = "mended long ago"\n'
    project(text + hazard)
    result = run("powerloss", "--jobs", 1, "--quiet")
    assert result.exit_code == 7
    assert "known hazard not found" in result.stdout
    assert "known hazards not found: mended long ago" in result.stdout


def test_firmware_explore_without_a_board_takes_the_boards(project: Callable[..., Path]) -> None:
    project('[[search]]\nscenario = "good"\n' + TWO.partition("\n\n")[2])
    answer = planned(command=("firmware", "explore"))
    assert names(answer) == ["board", "first_try"]
    assert names(planned()) == ["board", "first_try", "STM32L476xG/remap/good/bin/3996b/s0"]
    assert run("firmware", "explore", "--no-config").exit_code == 2
    assert run("firmware", "explore", "--replay", "x:1b").exit_code == 2


def test_the_boards_of_a_project_are_searched_by_firmware_explore(
    project: Callable[..., Path],
) -> None:
    project('board = "fw/board.toml"\ncuts = 1\noutcomes = "before,after"\njobs = 1\n')
    result = run("firmware", "explore", "--quiet")
    assert result.exit_code == 15, result.output
    assert "1 scenario: 1 passed" in result.stdout


# --- where it is looked for


def test_the_nearest_file_counts_and_nothing_beyond_the_repository(
    project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project('board = "fw/board.toml"\n')
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a" / "b")
    assert planned()["configuration"] == str(folder / "powerloss.toml")
    (folder / "a" / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert names(planned()) == ["board"]
    shared = '[tool.mcu-updater.powerloss]\nscenario = ["unsigned", "good"]\nsize = 300\n'
    (folder / "a" / "pyproject.toml").write_text(shared)
    answer = planned()
    assert answer["configuration"] == str(folder / "a" / "pyproject.toml")
    assert [name.split("/")[2:5] for name in names(answer)] == [
        ["unsigned", "bin", "300b"],
        ["good", "bin", "300b"],
    ]
    source = answer["searches"][0]["options"]["scenarios"]["from"]
    assert source == "pyproject.toml, line 2"
    (folder / "a" / "b" / ".git").mkdir()
    assert planned()["configuration"] is None


def test_without_a_file_all_is_as_it_was(project: Callable[..., Path]) -> None:
    project('[project]\nname = "x"\n', "pyproject.toml")
    assert names(planned()) == ["STM32L476xG/remap/good/bin/3996b/s0"]
    project("this is [no TOML", "pyproject.toml")
    assert planned()["configuration"] is None


def test_a_file_can_be_named_and_left_out(project: Callable[..., Path]) -> None:
    folder = project('board = "fw/board.toml"\n')
    other = folder / "fw" / "nightly.toml"
    other.write_text('board = "first_try.toml"\n')
    assert names(planned("--config", other)) == ["first_try"]
    assert names(planned("--no-config")) == ["STM32L476xG/remap/good/bin/3996b/s0"]
    assert run("powerloss", "--config", folder / "no.toml").exit_code == 4
    for words in (("--no-config",), ("--strategy", "all"), (FIRMWARE / "bootloader.elf",)):
        assert run("powerloss", "--config", other, *words).exit_code == 2
    assert run("firmware", "explore", FIRMWARE / "board.toml", "--dry-run").exit_code == 2


# --- the command line comes first


def test_the_command_line_overrides_the_file_and_a_table_the_top(
    project: Callable[..., Path],
) -> None:
    project("draws = 2\n" + TWO + "draws = 3\n".join(["[[search]]\n", 'scenario = "good"\n']))
    options = [each["options"] for each in planned("--seed", 7)["searches"]]
    assert [each["draws"]["value"] for each in options] == [2, 2, 3]
    assert options[2]["seed"] == {"value": 7, "from": "command line"}
    assert options[2]["cuts"] == {"value": 1, "from": "powerloss.toml, line 4"}
    options = [each["options"] for each in planned("--draws", 5)["searches"]]
    assert [each["draws"]["value"] for each in options] == [5, 5, 5]


def test_what_chooses_scenarios_is_refused_where_there_are_boards_alone(
    project: Callable[..., Path],
) -> None:
    project(TWO)
    result = run("powerloss", "--part", "STM32H743xI")
    assert result.exit_code == 2
    assert "--part has no effect" in result.stderr and "--no-config" in result.stderr


def test_options_reach_the_search(
    project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each table's own, and what the whole campaign has."""
    seen: dict[str, Any] = {}

    def explored(scenario: Any, settings: Any, tell: Any, origin: Any, known: Any) -> Explored:
        seen[scenario.id] = (settings.options, origin, known)
        return Explored(scenario.id, None, FlashMap(0, ()), error="not searched", origin=origin)

    monkeypatch.setattr(campaign, "explore", explored)
    folder = project(
        'time = 9\njobs = 1\n\n[[search]]\nscenario = "good"\nsize = 300\nstates = 77\n'
        'brute-force = true\n[[search]]\nscenario = ["unsigned"]\ndecay = ["last"]\ntime = 3.5\n'
        '[[search.known-hazard]]\nquestion = "live"\nreason = "why not"\n'
    )
    result = run("powerloss", "--quiet", "--sarif", "-")
    assert result.exit_code == 7
    (first, of_first, _), (second, of_second, known) = seen.values()
    assert (first.limits.time_s, first.limits.states, first.merge) == (9, 77, False)
    assert (second.limits.time_s, list(second.decays), second.merge) == (3.5, ["last"], True)
    assert (of_first.file, of_first.line) == (str(folder / "powerloss.toml"), 4)
    assert (of_second.line, of_second.excuse) == (9, "why not")
    assert of_first.command.endswith("powerloss --brute-force --replay")
    assert [(each.question, each.text) for each in known] == [("live", "")]
    said = json.loads(result.stdout)["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    lines = [each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in said]
    assert lines == [4, 9]


# --- what is wrong with a file


WRONG = {
    "jobs = 1\nsize_ = 3\n": "line 2: size_: is no key here; expected size",
    "json_file = 'x'\n": "line 1: json_file: is no key here; expected json-file",
    "jobs = '1'\n": "line 1: jobs: cannot be; expected a whole number, found '1'",
    "jobs = true\n": "line 1: jobs: cannot be; expected a whole number, found True",
    "jobs = 0\n": "line 1: jobs: cannot be: 0 is not in the range x>=1.",
    "time = '5'\n": "line 1: time: cannot be; expected a number",
    "time = nan\n": "line 1: time: cannot be: nan is no number of seconds",
    "budget = inf\n": "line 1: budget: cannot be: inf is no number of seconds",
    "strict = 1\n": "line 1: strict: cannot be; expected true or false, found 1",
    "scenario = 'god'\n": "line 1: scenario: cannot be: 'god' is not one of good",
    "scenario = []\n": "line 1: scenario: cannot be; expected a text, or a list of them",
    "part = ['STM32L476xG', 3]\n": "line 1: part: cannot be; expected a text, or a list of them",
    "part = 'STM32'\n": "line 1: part: cannot be: ",
    "size = 'tiny'\n": "line 1: size: cannot be: 'tiny' is not 'small', 'full'",
    "board = 'no.toml'\n": "line 1: board: no.toml: cannot be read",
    "board = 'fw/*.tml'\n": "line 1: board: names no file",
    "board = '/srv/*.toml'\n": "line 1: board: is no pattern: Non-relative patterns",
    "board = 'f**/*.toml'\n": "line 1: board: is no pattern: ",
    "board = '**'\nstates = 1\n": "board: ",
    'board = "fw/board.toml\\u0000"\n': "line 1: board: cannot be; expected the path",
    'sarif = "r\\u0000"\n': "line 1: sarif: cannot be; expected a text",
    "board = []\n": "line 1: board: cannot be; expected the path of a board file",
    "board = ['fw/board.toml',\n 'fw/board.toml']\n": "is searched already, line 1",
    "board = 'fw/bootloader.c'\n": "line 1: board: fw/bootloader.c: ",
    "outcomes = 'torned'\nboard = 'fw/board.toml'\n": "line 1: outcomes: cannot be: 'torned'",
    "search = 3\n": "line 1: search: cannot be; expected tables: [[search]]",
    "[[search]]\njobs = 2\n": "line 2: search[1].jobs: is of the whole campaign",
    "[[search]]\nboard = 'fw/board.toml'\npart = 'x'\n": "search[1].part: has no effect on a board",
    "[[search]]\noutcomes = 'torn'\n": "line 2: search[1].outcomes: is no key here",
    "board = 'fw/board.toml'\n[[search]]\n": "line 1: board: stands beside [[search]]",
    "[[known-hazard]]\nquestion = 'live'\n": "line 1: known-hazard[1].reason: is missing",
    "known-hazard = 1\n": "line 1: known-hazard: cannot be; expected tables",
    "[[known-hazard]]\nquestion = 'live'\nreason = ' '\n": "line 3: known-hazard[1].reason",
    "[[known-hazard]]\nquestions = 'x'\n": "is no key here; expected question",
    "jobs = \n": "line 1: is no TOML",
    "html = 'no/such/folder/x.html'\nboard = 'fw/board.toml'\n": "no/such/folder",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_line(text: str, project: Callable[..., Path]) -> None:
    project(text)
    result = run("powerloss", "--quiet")
    assert result.exit_code == (4 if "html" in text else 3), result.output
    assert WRONG[text] in result.stderr
    assert "Traceback" not in result.output


def test_no_report_replaces_the_file_or_a_board(project: Callable[..., Path]) -> None:
    for name in ("powerloss.toml", "fw/board.toml"):
        text = f'board = "fw/board.toml"\nsarif = "{name}"\n'
        folder = project(text)
        result = run("powerloss")
        assert result.exit_code == 2 and "the output is a file that is read" in result.stderr
        assert (folder / "powerloss.toml").read_text() == text


@pytest.mark.parametrize("name", ["powerloss.toml", "pyproject.toml"])
def test_a_byte_order_mark_and_line_ends_of_windows(
    name: str, project: Callable[..., Path]
) -> None:
    head = "[tool.mcu-updater.powerloss]" if name == "pyproject.toml" else ""
    text = f'\ufeff{head}\r\nboard = "fw/board.toml"\r\ncuts = 1\r\n'
    (project("", name) / name).write_bytes(text.encode())
    (search,) = planned()["searches"]
    assert search["options"]["cuts"] == {"value": 1, "from": f"{name}, line 3"}


@pytest.mark.parametrize("make", ["mkdir", "symlink", "mkfifo"])
def test_a_file_that_is_none_is_not_passed_over(make: str, project: Callable[..., Path]) -> None:
    """The campaign of a project is never taken for none: another one would be run."""
    file = project("", "notes.txt") / "powerloss.toml"
    {"mkdir": Path.mkdir, "symlink": lambda it: it.symlink_to(it), "mkfifo": os.mkfifo}[make](file)
    result = run("powerloss", "--dry-run")
    assert result.exit_code in (3, 4), result.output
    assert "powerloss.toml" in result.stderr


def test_a_dry_run_refuses_what_the_run_would_refuse(project: Callable[..., Path]) -> None:
    project('board = "fw/board.toml"\nhtml = "out/r"\njunit = "out/r"\n')
    result = run("powerloss", "--dry-run")
    assert (result.exit_code, "two outputs go to one file" in result.stderr) == (2, True)


def test_all_faults_are_said_at_once_in_a_shared_file_too(project: Callable[..., Path]) -> None:
    head = "[tool.mcu-updater.powerloss]\n"
    project(
        head + "jobs = 0\ncutz = 1\n\n[[tool.mcu-updater.powerloss.search]]\nseed = 1.5\n",
        "pyproject.toml",
    )
    result = run("powerloss")
    assert result.exit_code == 3
    assert "pyproject.toml: 3 faults\n  line 2: jobs" in result.stderr
    assert "line 3: cutz: is no key here; expected cuts" in result.stderr
    assert "line 6: search[1].seed: cannot be; expected a whole number, found 1.5" in result.stderr
    project(head.replace("]", "") + "jobs = 1\n", "pyproject.toml")
    assert "is no TOML" in run("powerloss").stderr


# --- keys are options


def test_every_option_is_a_key_or_has_a_reason_not_to_be() -> None:
    of_scenarios = set(keys.options_of(powerloss.command))
    of_boards = set(keys.options_of(firmware.command))
    assert of_scenarios - set(keys.NO_KEYS) == {*keys.OF_A_SCENARIO, *keys.OF_A_CAMPAIGN}
    assert of_boards - set(keys.NO_KEYS) == {*keys.OF_A_BOARD, *keys.OF_A_CAMPAIGN} - {"strict"}


def test_the_page_has_every_key() -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page, flags=re.MULTILINE)
    said = {key for row in rows for key in re.findall(r"`([a-z-]+)`", row)}
    of_files = {keys.BOARD, keys.HAZARD, "question", "text", "reason"}
    assert said == {*keys.OF_A_BOARD, *keys.OF_A_SCENARIO, *keys.OF_A_CAMPAIGN, *of_files}


def test_a_dry_run_says_where_each_value_comes_from(project: Callable[..., Path]) -> None:
    project(TWO)
    result: Result = run("powerloss", "--dry-run", "--strict")
    assert result.exit_code == 0
    for line in (
        "powerloss.toml: 2 searches",
        "    outcomes: before, after (powerloss.toml, line 8)",
        "    known hazard: the first try has no second one",
        "strict: yes (command line)",
        "Nothing was searched: --dry-run",
    ):
        assert line in result.stdout
    assert max(map(len, result.stdout.splitlines())) < COLUMNS + 60


def test_all_strategies_of_a_part_are_searches_of_a_campaign(project: Callable[..., Path]) -> None:
    project('strategy = "all"\npart = "STM32L476xG"\nsize = 300\n')
    found = [name.split("/")[1] for name in names(planned())]
    assert len(found) > 2 and {"remap", "option-toggle"} <= set(found)
    assert names(planned("--strategy", "remap")) == ["STM32L476xG/remap/good/bin/300b/s0"]


def test_a_known_hazard_that_fails_is_a_finding_in_a_quick_search_too(
    project: Callable[..., Path],
) -> None:
    hazards = "".join(
        f'[[known-hazard]]\nquestion = "{each}"\nreason = "it is known"\n'
        for each in ("live", "safe")
    )
    project('board = "fw/first_try.toml"\noutcomes = "before,after"\n' + hazards)
    words = ("powerloss", "--quick", "--quiet", "--jobs", 1)
    assert run(*words).exit_code == 2
    assert run(*words, "--accept-incomplete").exit_code == 0
    strict = run(*words, "--accept-incomplete", "--strict")
    assert strict.exit_code == 7 and "found known hazard" in strict.stderr


def test_a_quick_campaign_and_what_goes_with_it(project: Callable[..., Path]) -> None:
    """A budget on the command line is of the file's quick search; a depth is not."""
    project('board = "fw/board.toml"\nquick = true\njobs = 1\n')
    answer = planned("--budget", 7)
    assert answer["campaign"]["budget"] == {"value": 7.0, "from": "command line"}
    for words, said in (
        (("--cuts", 2), "--cuts has no effect with --quick"),
        (("--certificates", "c"), "--certificates has no effect with --quick"),
    ):
        result = run("powerloss", *words)
        assert (result.exit_code, said in result.stderr) == (2, True)
    result = run("powerloss", "--quiet")
    assert result.exit_code == 2
    assert "left out: two or more cuts in a row" in result.stdout
    project('board = "fw/board.toml"\nquick = true\ncertificates = "c"\n')
    result = run("powerloss")
    assert result.exit_code == 2 and "expected quick or certificates" in result.stderr
    project('board = "fw/board.toml"\n')
    assert "--budget has no effect without --quick" in run("powerloss", "--budget", 7).stderr

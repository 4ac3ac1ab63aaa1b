"""The action for GitHub, the template for GitLab and the hook: their inputs are options, and their
shell steps run in a clean folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcu_updater.cli.firmware import explore as firmware
from mcu_updater.cli.powerloss import powerloss
from mcu_updater.cli.powerloss.project.keys import options_of
from tests.cli.boards import write_board
from tests.places import ROOT

CI = ROOT / ".ci"
ACTION = yaml.safe_load((CI / "action" / "action.yml").read_text(encoding="utf-8"))
SPEC, TEMPLATE = yaml.safe_load_all((CI / "gitlab" / "powerloss.yml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "how-to" / "in-ci.md").read_text(encoding="utf-8")
OWN = {"board", "elf", "part", "arguments"}  # of both, and no options of a search
OF_ACTION = {"reports", "extras", "upload-sarif", "upload-reports"}
OF_TEMPLATE = {"job", "stage", "image", "package"}
FIRMWARE = ROOT / "examples" / "c_bootloader"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean folder with a project, and nothing of ours but the command."""
    root = tmp_path / "checkout"
    shutil.copytree(FIRMWARE, root / "fw")
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


def environment(**more: str) -> dict[str, str]:
    """As a runner has it."""
    here = Path(sys.executable).parent
    kept = {key: os.environ[key] for key in ("HOME", "PYTHONPATH") if key in os.environ}
    return {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}", **kept, **more}


def block(kind: str, with_text: str) -> str:
    """The block of the page that has this text."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    (found,) = (each for each in blocks if with_text in each)
    return str(found)


# --- inputs


@pytest.mark.parametrize(
    ("inputs", "own"),
    [(ACTION["inputs"], OWN | OF_ACTION), (SPEC["spec"]["inputs"], OWN | OF_TEMPLATE)],
    ids=["action", "template"],
)
def test_every_input_is_an_option(inputs: dict[str, Any], own: set[str]) -> None:
    """And has the kind of default that leaves it out."""
    of_boards, of_scenarios = options_of(firmware.command), options_of(powerloss.command)
    assert own < inputs.keys()
    for name in inputs.keys() - own:
        assert name in of_scenarios, name
        assert name in of_boards or name == "strict"
        assert inputs[name]["default"] == ("false" if of_scenarios[name].is_flag else "")


def test_every_input_is_given_to_the_search() -> None:
    env = next(step["env"] for step in ACTION["runs"]["steps"] if step.get("id") == "search")
    for name in ACTION["inputs"].keys() - OF_ACTION:
        value = env[name.upper().replace("-", "_")]
        assert value.endswith(f"${{{{ inputs.{name} }}}}")
    (job,) = TEMPLATE.values()
    for name in SPEC["spec"]["inputs"].keys() - OF_TEMPLATE:
        assert job["variables"][name.upper().replace("-", "_")] == f"$[[ inputs.{name} ]]"


def test_the_template_brings_the_script_that_the_action_runs() -> None:
    """A template that is included comes without the files beside it."""
    (job,) = TEMPLATE.values()
    script = (CI / "search").read_text(encoding="utf-8")
    assert job["script"][0] == f"cat > search.sh <<'END'\n{script}END\n"
    assert os.access(CI / "search", os.X_OK)


# --- the action's steps


def act(
    root: Path, reports: Path, *, path: str = "", **inputs: str
) -> subprocess.CompletedProcess[str]:
    """Its step that searches, as the runner runs it: expressions are filled in first. *path*: PATH,
    where that is another one."""
    step = next(each for each in ACTION["runs"]["steps"] if each.get("id") == "search")
    values = {name: each["default"] for name, each in ACTION["inputs"].items()} | inputs
    values["reports"] = str(reports)
    env = {key: _filled(text, values) for key, text in step["env"].items()}
    outputs = {
        "GITHUB_OUTPUT": str(root.parent / "output"),
        "GITHUB_STEP_SUMMARY": str(root.parent / "summary.md"),
        "GITHUB_WORKSPACE": str(root),
        "GITHUB_ACTIONS": "true",
        **({"PATH": path} if path else {}),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=root,
        env=environment(**outputs, **env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _filled(text: str, values: dict[str, str]) -> str:
    text = text.replace("${{ github.action_path }}", str(CI / "action"))
    return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: values[found[1]], text)


QUICK = {"quick": "true", "budget": "30", "jobs": "1"}


def test_the_action_marks_the_lines_of_a_bad_bootloader(checkout: Path, tmp_path: Path) -> None:
    done = act(checkout, tmp_path / "reports", board="fw/first_try.toml", **QUICK)
    assert done.returncode == 7, done.stderr
    assert "::error file=fw/bootloader.c,line=" in done.stdout
    assert "exit-code=7\nreports=" in (tmp_path / "output").read_text()
    assert "| first_try/" in (tmp_path / "summary.md").read_text()
    files = {each.name for each in (tmp_path / "reports").iterdir()}
    assert files == {"powerloss.html", "powerloss.xml", "powerloss.sarif", "codequality.json"}


@pytest.mark.thorough
def test_the_action_takes_an_elf_and_may_accept_what_is_incomplete(
    checkout: Path, tmp_path: Path
) -> None:
    """A first board file asks little of a bootloader; this one has nothing to boot."""
    done = act(checkout, tmp_path / "r", elf="fw/bootloader.elf", part="STM32L476xG", **QUICK)
    assert done.returncode == 7
    assert "the very first boot" in done.stdout.lower()
    accept = {"accept-incomplete": "true", "arguments": "--outcomes before,torn  --draws 2"}
    done = act(checkout, tmp_path / "r", board="fw/board.toml", **QUICK, **accept)
    assert done.returncode == 0, done.stderr
    assert "2 draws per place" in done.stdout


@pytest.mark.thorough
def test_the_action_runs_the_campaign_of_the_project(checkout: Path, tmp_path: Path) -> None:
    (checkout / "fw" / "other.toml").write_text('board = "first_try.toml"\n')
    done = act(checkout, tmp_path / "r", config="fw/other.toml", **QUICK)
    assert done.returncode == 7
    assert json.loads((tmp_path / "r" / "codequality.json").read_text())


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"elf": "fw/bootloader.elf"}, "part is missing"),
        ({"elf": "x", "board": "y", "part": "z"}, "elf and board"),
        ({"part": "STM32L476xG"}, "part has no effect without elf"),
        ({"board": "fw/board.toml", "config": "x"}, "config has no effect"),
        ({"board": "fw/board.toml", "quick": "yes"}, "quick: expected true or false, found yes"),
    ],
)
def test_inputs_that_cannot_be_are_refused(
    inputs: dict[str, str], said: str, checkout: Path, tmp_path: Path
) -> None:
    done = act(checkout, tmp_path / "reports", **inputs)
    assert done.returncode in (2, 4)
    assert said in done.stderr
    assert f"exit-code={done.returncode}\n" in (tmp_path / "output").read_text()
    assert not (checkout / "hacked").exists()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (
            {"board": "$(touch hacked)/`x`.toml"},
            ["firmware", "explore", "$(touch hacked)/`x`.toml"],
        ),
        ({"board": "a b/'\".toml"}, ["firmware", "explore", "a b/'\".toml"]),
        (
            {"arguments": "--draws  * --x=$(touch hacked);"},
            ["--draws", "*", "--x=$(touch", "hacked);"],
        ),
        (
            {"config": "a b.toml", "time": "5 5"},
            ["powerloss", "--config", "a b.toml", "--time", "5 5"],
        ),
        ({"elf": "a b.elf", "part": "P"}, ["firmware", "new", "a b.elf", "--part", "P", "-o"]),
    ],
)
def test_inputs_are_words_and_no_commands(
    inputs: dict[str, str], words: list[str], checkout: Path, tmp_path: Path
) -> None:
    """What the program is given, one word a line; the program itself is not asked."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "mcu-updater"
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 4\n")
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    done = act(checkout, tmp_path / "the reports", path=path, **inputs)
    given = done.stdout.splitlines()
    assert done.returncode == 4, done.stderr
    assert any(given[at : at + len(words)] == words for at in range(len(given))), given
    assert not (checkout / "hacked").exists()
    if "elf" not in inputs:
        assert str(tmp_path / "the reports" / "powerloss.html") in given


@pytest.mark.thorough
def test_the_action_installs_the_release_that_it_lies_beside(tmp_path: Path) -> None:
    """Without its dependencies, which come from a registry."""
    (step,) = (each for each in ACTION["runs"]["steps"] if each["name"] == "Install")
    env = {key: _filled(text, {"extras": ""}) for key, text in step["env"].items()}
    pip = {"PIP_TARGET": str(tmp_path / "there"), "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    pip["PIP_NO_BUILD_ISOLATION"] = "0"  # as pip reads it: no isolation
    subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env=environment(**env, **pip),
        timeout=300,
        check=True,
    )
    assert (tmp_path / "there" / "mcu_updater" / "cli" / "main.py").is_file()


# --- the template's script


def test_the_template_runs_in_a_clean_folder(checkout: Path) -> None:
    inputs = {name: each["default"] for name, each in SPEC["spec"]["inputs"].items()}
    inputs |= {"board": "fw/first_try.toml", **QUICK}
    text = (CI / "gitlab" / "powerloss.yml").read_text(encoding="utf-8").partition("\n---\n")[2]
    text = re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda found: inputs[found[1]], text)
    ((name, job),) = yaml.safe_load(text).items()
    assert (name, job["stage"]) == ("powerloss", "test")
    done = subprocess.run(
        ["sh", "-ec", "\n".join(job["script"])],
        cwd=checkout,
        env=environment(CI_PROJECT_DIR=str(checkout), **job["variables"]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    reports = job["artifacts"]["reports"]
    (quality, *_) = json.loads((checkout / reports["codequality"]).read_text())
    assert quality["location"]["path"] == "fw/bootloader.c"
    assert (checkout / reports["junit"]).read_text().startswith("<?xml")
    assert "::error" not in done.stdout


# --- what the page shows


def test_the_page_shows_jobs_that_exist() -> None:
    (steps,) = (each["steps"] for each in yaml.safe_load(block("yaml", "uses:"))["jobs"].values())
    (ours,) = (each for each in steps if "/.ci/action@" in each.get("uses", ""))
    assert ours["with"].keys() <= ACTION["inputs"].keys()
    (include,) = yaml.safe_load(block("yaml", "include:"))["include"]
    assert include["file"] == "/.ci/gitlab/powerloss.yml"
    assert include["inputs"].keys() <= SPEC["spec"]["inputs"].keys()


Git = Callable[..., None]


def test_the_hook_of_the_page_stops_a_commit_and_lets_one_pass(
    checkout: Path, tmp_path: Path
) -> None:
    boards = checkout / "boards"
    boards.mkdir()
    write_board(boards)
    (checkout / ".pre-commit-config.yaml").write_text(block("yaml", "repo: local"))
    subprocess.run(["git", "add", "-A"], cwd=checkout, check=True)

    def hook() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", "run", "--all-files"],
            cwd=checkout,
            env=environment(PRE_COMMIT_HOME=str(tmp_path / "home")),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    good = hook()
    assert good.returncode == 0, good.stdout
    write_board(boards, "copy_done_first")
    subprocess.run(["git", "add", "-A"], cwd=checkout, check=True)
    bad = hook()
    assert bad.returncode == 1
    assert re.search(r"not (safe|live): ", bad.stdout)

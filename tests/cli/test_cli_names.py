"""Names on the command line: parts and part files wherever a part is taken, choices in any case."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import click
import pytest

from flash_emulator.parts.catalogue import other_size_names, part_names
from mcu_updater.cli.main import cli
from mcu_updater.cli.names import PART, NameChoice, PartName, component_names
from tests.cli.command_line import NEW, OLD, run, status
from tests.flash_emulator.bootrom.served_chip import serving
from tests.places import ROOT
from tests.thorough import one_in

PACKAGED = ROOT / "flash_emulator" / "parts"
CENTER = ROOT / "examples" / "center" / "center.toml"


def commands(
    group: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command, with the words that lead to it."""
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            below = group.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))
    else:
        yield path, group


def part_parameters() -> list[tuple[str, click.Parameter]]:
    return [
        (" ".join(path), parameter)
        for path, command in commands()
        for parameter in command.params
        if parameter.name in ("part", "parts")
    ]


def test_there_are_as_many_commands_with_a_part_as_this_page_tries() -> None:
    assert sorted(name for name, _ in part_parameters()) == sorted(TRIED)


TRIED = (
    *(
        "board new",
        "update",
        "fleet",
        "install",
        "powerloss",
        "delta make",
        "package build",
        "part show",
        "firmware new",
        "emit c",
        "emit factory",
    ),
    *("image check", "image diff", "image inspect", "chip serve"),
    *("flash", "verify", "read", "erase", "info", "protect", "unprotect", "option-bytes"),
)


@pytest.mark.parametrize(("name", "parameter"), part_parameters())
def test_a_part_is_a_name_a_marking_or_a_file_in_every_command(
    name: str, parameter: click.Parameter, mine: Path
) -> None:
    assert isinstance(parameter.type, PartName), name
    for text, meant in ((str(mine), "MINE"), ("stm32l476rgt6", "STM32L476xG")):
        found = parameter.type.convert(text, parameter, None)
        assert (found if isinstance(found, str) else found.name) == meant


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A part file of one's own, with another name and the flash of an L476."""
    file = tmp_path / "mine.toml"
    text = (PACKAGED / "STM32L476xG.toml").read_text()
    file.write_text(text.replace('name = "STM32L476xG"', 'name = "MINE"'))
    return file


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    text = (PACKAGED / "STM32F103x8.toml").read_text()
    file.write_text(text.replace('name = "STM32F103x8"', 'name = "SMALL"'))
    return file


def good(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


# --- a part file of one's own, from end to end


def test_a_board_of_ones_own_part_outlives_the_part_file(mine: Path, tmp_path: Path) -> None:
    board = tmp_path / "my.board"
    good("board", "new", board, "--version", "1.0.0", "--part", mine, "--image", OLD)
    mine.unlink()
    good("update", NEW["bin"], "--board", board)
    assert status(board)["part"] == "MINE"
    assert "2.0.0" in good("board", "status", board)
    good("board", "why", board)


def test_a_fresh_board_of_ones_own_part(mine: Path) -> None:
    good("update", NEW["bin"], "--part", mine, "--quiet")


def test_image_delta_and_package_know_ones_own_part(mine: Path, tmp_path: Path) -> None:
    good("image", "check", NEW["bin"], "--part", mine)
    good("image", "inspect", NEW["bin"], "--part", mine)
    good("delta", "make", OLD, NEW["bin"], "-o", tmp_path / "d.bin", "--part", mine)
    archive = tmp_path / "p.zip"
    good("package", "build", archive, NEW["bin"], "--version", "2.0.0", "--part", mine)
    good("update", archive, "--part", mine, "--quiet")


def test_a_manifest_names_a_part_as_its_file_does_and_warns_of_others(tmp_path: Path) -> None:
    archive = tmp_path / "p.zip"
    good("package", "build", archive, NEW["bin"], "--version", "2.0.0", "--part", "stm32l476rgt6")
    good("update", archive, "--quiet")
    own = run("package", "build", archive, NEW["bin"], "--force", "--part", "pump board 7")
    assert own.exit_code == 0
    assert "warning: unknown part 'pump board 7'" in own.stderr


def test_a_chip_of_ones_own_part_is_served_and_flashed(mine: Path, tmp_path: Path) -> None:
    link, file = tmp_path / "tty", tmp_path / "my.chip"
    with serving(str(mine), "--link", link, "--file", file):
        good("flash", NEW["bin"], "--raw", "--port", link, "--part", mine, "--base", "0x0800_8000")
        for words in (("flash", "--dry-run"), ("verify",)):
            image = (NEW["bin"], "--raw", "--base", "0x0800_8000")
            good(*words, *image, "--port", link, "--part", mine)
        good("read", tmp_path / "out", "--port", link, "--part", mine, "--size", 64)
        good("info", "--port", link, "--part", mine)


def test_a_board_of_ones_own_part_is_updated_through_the_rom(mine: Path, tmp_path: Path) -> None:
    link, board = tmp_path / "tty", tmp_path / "my.board"
    good("board", "new", board, "--version", "1.0.0", "--part", mine, "--image", OLD)
    with serving(str(mine), "--link", link, "--file", board) as served:
        good("update", NEW["bin"], "--target", link, "--part", mine)
        assert served.end() == 0
    assert "2.0.0" in good("board", "status", board)


def test_powerloss_searches_and_replays_on_ones_own_part(small: Path) -> None:
    terms = ("--states", 2, "--size", 1948, "--jobs", 2, "--json", "--quiet")
    found = run("powerloss", "--part", small, *terms)
    assert found.exit_code == 2, found.output  # a limit stopped it
    assert json.loads(found.stdout)
    assert f"{small}/copy/good/bin" in found.stdout
    replay = f"{small}/copy/good/bin/1948b/s0:5t"
    assert replay in run("powerloss", "--replay", replay).stdout


def test_a_fleet_of_ones_own_part(mine: Path, tmp_path: Path) -> None:
    terms = ("--part", mine, "--devices", 2, "--jobs", 1, "--db", tmp_path / "f.db")
    good("fleet", CENTER.with_name("delta.toml"), *terms)


def test_a_part_that_cannot_be_laid_out_says_which_can(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    text = (PACKAGED / "STM32L476xG.toml").read_text()
    text = text.replace('name = "STM32L476xG"', 'name = "ODD"').replace("0x100000", "0x64000")
    file.write_text(text.replace("[[256, 2048]]", "[[100, 2048]]"))
    result = run("board", "new", tmp_path / "b", "--version", "1", "--part", file)
    assert result.exit_code == 2
    assert "no layout is known for ODD" in result.stderr
    assert "STM32L476xG" in result.stderr


# --- choices


def choices() -> list[tuple[str, click.Choice[str]]]:
    return [
        (f"{' '.join(path)} {parameter.opts[0]}", parameter.type)
        for path, command in commands()
        for parameter in command.params
        if isinstance(parameter.type, click.Choice)
    ]


@pytest.mark.parametrize(("name", "choice"), choices())
def test_every_choice_takes_any_case_and_says_what_is_near(
    name: str, choice: click.Choice[str]
) -> None:
    assert isinstance(choice, NameChoice), name
    for one in choice.choices:
        assert choice.convert(one.upper(), None, None) == one
        wrong = f"{one[0]}{one}{one[-1]}q"
        with pytest.raises(click.BadParameter) as caught:
            choice.convert(wrong, None, None)
        assert all(each in caught.value.message for each in choice.choices)


@pytest.mark.parametrize(
    ("typed", "meant"), [("REMAP", "remap"), ("swap_option", "swap-option"), ("cop", "copy")]
)
def test_a_strategy_in_other_words(typed: str, meant: str, tmp_path: Path) -> None:
    part = "STM32H743xI" if meant == "swap-option" else "STM32L476xG"
    made = run(
        "board", "new", tmp_path / "b", "--version", "1", "--part", part, "--strategy", typed
    )
    assert made.exit_code == 0, made.output
    assert meant in made.stdout


def test_a_choice_that_is_misspelt_gets_a_suggestion_and_one_that_is_short_gets_all() -> None:
    assert "Did you mean option-toggle?" in run("powerloss", "--strategy", "optoin-toggle").stderr
    short = run("powerloss", "--scenario", "delt").stderr
    assert "Did you mean delta or delta-pieces or delta-base?" in short


# --- completion


def completed(parameter: PartName | NameChoice, text: str) -> list[str]:
    context = click.Context(cli)
    return [item.value for item in parameter.shell_complete(context, cli.params[0], text)]


def test_completion_of_parts_ignores_case_and_offers_files_where_nothing_fits() -> None:
    names = [*part_names(), *other_size_names()]
    assert completed(PART, "stm32l4") == [n for n in names if n.startswith("STM32L4")]
    assert completed(PART, "STM32l476xg") == ["STM32L476xG"]
    assert PART.shell_complete(click.Context(cli), cli.params[0], "./m")[0].type == "file"
    assert "each" in completed(PartName("each"), "e")


def test_completion_of_components_reads_the_file_on_the_line(tmp_path: Path) -> None:
    board = tmp_path / "my.board"
    good("board", "new", board, "--version", "1", "--component", "pump")
    context = click.Context(cli)
    parameter = cli.params[0]

    def found(value: object) -> list[str]:
        context.params = {"file": value}
        return [item.value for item in component_names(context, parameter, "")]

    assert found(board) == ["pump"]
    assert found(CENTER) == ["STM32"]
    assert found(None) == ["STM32"]
    (tmp_path / "no.board").write_text("hello")
    assert found(tmp_path / "no.board") == ["STM32"]


PROGRAM = Path(sys.executable).with_name("mcu-updater")
SHELLS = {"bash": "complete", "zsh": "compdef", "fish": "complete"}


def asked_by_shell(shell: str, line: str) -> list[str]:
    """What the shell gets for *line*, whose last word is being typed."""
    words = line.split(" ")
    place = {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1) if shell != "fish" else words[-1],
    }
    env = {**os.environ, "_MCU_UPDATER_COMPLETE": f"{shell}_complete", **place}
    done = subprocess.run([PROGRAM], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = done.stdout.split("\n")
    return [word for one in lines for word in one.replace("\t", ",").split(",") if word]


COMPLETED = {
    "mcu-updater do": "doctor",
    "mcu-updater board new my.board --part stm32l4": "STM32L476xG",
    "mcu-updater chip serve stm32h7": "STM32H743xI",
    "mcu-updater powerloss --scenario sig": "signed-revoked",
    "mcu-updater powerloss --part ea": "each",
    "mcu-updater update x.bin --strategy REM": "remap",
    "mcu-updater module serve --component S": "STM32",
    "mcu-updater erase --al": "--all",
}


@pytest.mark.parametrize(("line", "shell"), one_in(2, list(product(COMPLETED, SHELLS))))
def test_each_shell_completes(line: str, shell: str) -> None:
    assert COMPLETED[line] in asked_by_shell(shell, line)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_its_script(shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("no bash: click asks it for its version")
    env = {**os.environ, "_MCU_UPDATER_COMPLETE": f"{shell}_source"}
    done = subprocess.run([PROGRAM], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert SHELLS[shell] in done.stdout and "mcu-updater" in done.stdout


def test_bash_itself_completes_a_part() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    script = (
        'eval "$(_MCU_UPDATER_COMPLETE=bash_source mcu-updater)"; '
        "COMP_WORDS=(mcu-updater part show stm32l476xg); COMP_CWORD=3; "
        '_mcu_updater_completion mcu-updater; echo "${COMPREPLY[@]}"'
    )
    env = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    done = subprocess.run([bash, "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["STM32L476xG"], done.stderr


@pytest.mark.parametrize("path", [(), ("board",), ("board", "new"), ("flash",), ("part",)])
def test_h_is_help_everywhere(path: tuple[str, ...]) -> None:
    assert good(*path, "-h") == good(*path, "--help")

"""What cannot be taken back is asked first, or answered by ``--yes``; a no changes nothing."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mcu_updater.cli.main import cli
from tests.cli.command_line import NEW, run
from tests.flash_emulator.bootrom.served_chip import serving

PART = "STM32L476xG"
IMAGE = (NEW["bin"], "--base", "0x0800_8000")
QUESTIONS = {
    "erase --all": ("erase", "--all"),
    "flash --erase-chip": ("flash", *IMAGE, "--erase-chip"),
    "protect --readout": ("protect", "--readout"),
    "unprotect --readout": ("unprotect", "--readout"),
    "option-bytes --write": ("option-bytes", "--write", "00" * 16),
    "install --force": ("install", NEW["bin"], "--version", "2.0.0", "--force"),
}
HARMLESS = {
    "a dry run": ("flash", *IMAGE, "--erase-chip", "--dry-run"),
    "a range that is named": ("erase", "--start", "0x0800_0000", "--size", 2048),
}


def said(answer: str, *arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=answer)


def test_every_command_that_asks_is_tried_here() -> None:
    context = click.Context(cli)
    asking = {
        name
        for name in cli.list_commands(context)
        if (command := cli.get_command(context, name)) is not None
        and any("--yes" in parameter.opts for parameter in command.params)
    }
    assert asking == {name.split()[0] for name in QUESTIONS}


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "nothing", "end of input"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_no_comes_before_the_port_is_opened_and_names_the_switch(
    question: str, answer: str, tmp_path: Path
) -> None:
    declined = said(answer, *QUESTIONS[question], "--port", tmp_path / "no-such-port")
    assert declined.exit_code == 13, declined.output  # not 4: no port was looked for
    assert "[y/N]" in declined.stderr
    assert "--yes" in declined.stderr
    assert declined.stdout == ""


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_yes_in_words_or_in_advance_goes_on_to_the_port(question: str, tmp_path: Path) -> None:
    port = ("--port", tmp_path / "no-such-port")
    assert said("y\n", *QUESTIONS[question], *port).exit_code == 4
    silent = said("", *QUESTIONS[question], *port, "--yes")
    assert silent.exit_code == 4 and "[y/N]" not in silent.stderr


@pytest.mark.parametrize("command", HARMLESS)
def test_what_can_be_taken_back_is_not_asked(command: str, tmp_path: Path) -> None:
    done = said("", *HARMLESS[command], "--port", tmp_path / "no-such-port")
    assert done.exit_code == 4 and "[y/N]" not in done.stderr


def test_erase_all_keeps_or_erases_as_it_was_answered(tmp_path: Path) -> None:
    link = tmp_path / "tty"
    port = ("--port", link, "--cache", tmp_path / "cache")
    with serving(PART, "--link", link):
        assert run("flash", *IMAGE, *port).exit_code == 0
        assert said("n\n", "erase", "--all", *port).exit_code == 13
        assert run("verify", *IMAGE, *port).exit_code == 0
        assert said("y\n", "erase", "--all", *port).exit_code == 0
        assert run("verify", *IMAGE, *port).exit_code == 7

"""The table of commands: all of it can be had, and a flash does not pay for the rest."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from mcu_updater.cli.main import COMMANDS, cli
from tests.cli.command_line import run

# What a short flash would wait for longest. cryptography is for --require-signature alone.
HEAVY = (
    "pydantic",
    "jinja2",
    "rich",
    "cryptography",
    "elftools",
    "mcu_updater.board",
    "flash_emulator.device.flash",
)
BEHIND_THE_LAST_WORD = """
import os, signal, sys
from mcu_updater import start
from mcu_updater.cli import interrupts

let_pass = interrupts.let_pass

def and_a_signal():
    let_pass()
    os.kill(os.getpid(), signal.SIGTERM)

interrupts.let_pass = and_a_signal
sys.argv = ["mcu-updater", *sys.argv[1:]]
start.main()
"""
WHILE_AN_ERROR_IS_TOLD = """
import os, signal, sys
from mcu_updater import start
from mcu_updater.cli import exits

code_of = exits.code_of

def after_a_signal(error):
    exits.code_of = code_of
    os.kill(os.getpid(), signal.SIGTERM)
    return code_of(error)

exits.code_of = after_a_signal
sys.argv = ["mcu-updater", *sys.argv[1:]]
start.main()
"""
LOADED = """
import sys
from mcu_updater.cli.main import cli
cli.get_command(None, "flash")
print(*sys.modules)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_name_leads_to_its_command(name):
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.name == name


@pytest.mark.parametrize("name", ["flesh", "plan"])
def test_an_unknown_name_is_a_usage_error(name):
    result = run(name)
    assert result.exit_code == 2 and name in result.output


def test_flash_imports_nothing_that_it_does_not_use():
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "mcu_updater.stm32.flasher" in loaded
    assert [name for name in HEAVY if name in loaded] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [(("part", "list", "--json"), 0), (("part", "list", "--json", "--no"), 2), (("--no",), 2)],
)
def test_a_signal_behind_the_last_word_changes_nothing(words, code):
    """What was said of the exit code stays true."""
    done = subprocess.run(
        [sys.executable, "-c", BEHIND_THE_LAST_WORD, *words], capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert "Aborted" not in done.stderr and "terminated" not in done.stderr
    if "--json" in words:
        assert json.loads(done.stdout.splitlines()[-1])["exit_code"] == code


def test_a_signal_while_an_error_is_told_is_what_ends_the_command(tmp_path):
    words = ("image", "inspect", tmp_path / "none.bin")
    done = subprocess.run(
        [sys.executable, "-c", WHILE_AN_ERROR_IS_TOLD, *words], capture_output=True, text=True
    )
    assert done.returncode == 143, done.stderr
    assert "Aborted" not in done.stderr and "terminated" in done.stderr

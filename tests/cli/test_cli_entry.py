"""The table of commands: all of it can be had, and a flash does not pay for the rest."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from command_line import run

from mcu_updater.cli.entry import COMMANDS, cli

# What a short flash would wait for longest. cryptography is for --require-signature alone.
HEAVY = (
    "pydantic",
    "jinja2",
    "rich",
    "cryptography",
    "elftools",
    "mcu_updater.board",
    "flash_emulator.device",
)
LOADED = """
import sys
from mcu_updater.cli.entry import cli
cli.get_command(None, "flash")
print(*sys.modules)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_name_leads_to_its_command(name):
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.name == name


def test_an_unknown_name_is_a_usage_error():
    result = run("flesh")
    assert result.exit_code == 2 and "flesh" in result.output


def test_flash_imports_nothing_that_it_does_not_use():
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "mcu_updater.stm32.flasher" in loaded
    assert [name for name in HEAVY if name in loaded] == []

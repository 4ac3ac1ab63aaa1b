"""``mcu-updater firmware``: a compiled bootloader on an emulated MCU."""

from __future__ import annotations

import click

from mcu_updater.cli.firmware import explore, new, run


@click.group("firmware")
def commands() -> None:
    """Run a compiled bootloader on an emulated MCU, and cut its power everywhere."""


commands.add_command(new.command)
commands.add_command(run.command)
commands.add_command(explore.command)

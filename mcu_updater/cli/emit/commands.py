"""``mcu-updater emit``: what runs on the device, as sources."""

from __future__ import annotations

import click

from mcu_updater.cli.emit import c


@click.group("emit")
def commands() -> None:
    """Write the updater for a device, as sources that need nothing of this program."""


commands.add_command(c.command)

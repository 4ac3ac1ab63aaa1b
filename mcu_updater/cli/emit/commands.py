"""``mcu-updater emit``: what runs on the device, as sources."""

from __future__ import annotations

import click

from mcu_updater.cli.emit import c, factory


@click.group("emit")
def commands() -> None:
    """Write what a device needs: the updater as C sources, and its first flash content."""


commands.add_command(c.command)
commands.add_command(factory.command)

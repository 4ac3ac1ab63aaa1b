"""``mcu-updater device``: an emulated STM32 behind its USART boot ROM."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from flash_emulator import EmulatedFlash
from flash_emulator.bootrom import Chip, Line, Speed
from mcu_updater.cli import values
from mcu_updater.cli.module import wire_address
from mcu_updater.serve import PtyWire, RealClock, Stopper, TcpWire, Wire
from mcu_updater.serve.chips import Desk, serve_chip

FILE = click.Path(path_type=Path)


@click.group("device")
def commands() -> None:
    """An emulated STM32 behind its USART boot ROM."""


@commands.command("serve", short_help="Serve a chip on a pty or a TCP port.")
@click.argument("part", callback=values.part)
@click.option("--link", type=FILE, metavar="PATH", help="A stable name for the pty.")
@click.option("--tcp", metavar="HOST:PORT", help="Listen there instead; port 0: any free one.")
def serve_command(**given: Any) -> None:
    """Serve an emulated chip, until it is interrupted.

    Prints one line: what a client opens, a device path or a socket:// address.
    """
    chip = Chip(EmulatedFlash(given["part"]))
    with ExitStack() as stack, Stopper().at_signals() as stopper:
        wire = _wire(given)
        stack.callback(wire.close)
        click.echo(wire.where)
        desk = Desk(keep=lambda: None, is_over=lambda: False)
        serve_chip(Line(chip, Speed()), wire, desk, RealClock(), stopper)


def _wire(given: dict[str, Any]) -> Wire:
    if given["tcp"] is not None:
        return TcpWire(*wire_address(given["tcp"]))
    return PtyWire(given["link"])

"""``mcu-updater``: the names of all commands, and where each one is.

A command's module is imported when the command is asked for, or all are listed. A flash of a small
image takes less than a second; importing everything would take half of one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from mcu_updater.cli import exits
from mcu_updater.errors import UpdaterError

COMMANDS: Final = {
    "board": "main:board",
    "center": "center:commands",
    "delta": "delta:commands",
    "device": "device:commands",
    "doctor": "doctor:command",
    "erase": "stm32:erase_command",
    "flash": "stm32:flash_command",
    "fleet": "fleet:command",
    "image": "image:commands",
    "info": "stm32_chip:info_command",
    "module": "module:commands",
    "option-bytes": "stm32_chip:option_bytes_command",
    "package": "package:commands",
    "part": "part:commands",
    "plan": "stm32:plan_command",
    "ports": "ports:command",
    "powerloss": "powerloss:command",
    "protect": "stm32_chip:protect_command",
    "read": "stm32:read_command",
    "unprotect": "stm32_chip:unprotect_command",
    "update": "main:update",
    "verify": "stm32:verify_command",
    "watch": "watch:command",
}
"""Module of this package, and the command in it, by name."""


class Commands(click.Group):
    """The one place where an error becomes a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"mcu_updater.cli.{module}"), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UpdaterError as error:
            exits.complain(error.message)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            exits.complain("interrupted")
            ctx.exit(exits.INTERRUPTED)


def main() -> None:
    cli(prog_name="mcu-updater")


@click.group(
    cls=Commands,
    epilog=exits.epilog(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="mcu-updater")
def cli() -> None:
    """Update the firmware of a microcontroller behind a Quectel module, on an emulated board."""

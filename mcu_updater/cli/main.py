"""``mcu-updater``: the names of all commands, and where each one is.

A command's module is imported when the command is asked for, or all are listed. A flash of a small
image takes less than a second; importing everything would take half of one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

import click

from mcu_updater import __version__, signals
from mcu_updater.cli import answers, exits, interrupts, leaf, streams

COMMANDS: Final = {
    "board": "device.board:board",
    "center": "emulators.center:commands",
    "chip": "emulators.chip:commands",
    "delta": "images.delta:commands",
    "doctor": "doctor:command",
    "emit": "emit.commands:commands",
    "erase": "flasher.stm32:erase_command",
    "evidence": "evidence:command",
    "firmware": "firmware.commands:commands",
    "flash": "flasher.stm32:flash_command",
    "fleet": "emulators.fleet:command",
    "image": "images.image:commands",
    "info": "flasher.stm32_chip:info_command",
    "install": "flasher.install:install_command",
    "module": "emulators.module:commands",
    "option-bytes": "flasher.stm32_chip:option_bytes_command",
    "package": "images.package:commands",
    "part": "emulators.part:commands",
    "ports": "ports:command",
    "powerloss": "powerloss.powerloss:command",
    "protect": "flasher.stm32_chip:protect_command",
    "read": "flasher.stm32:read_command",
    "unprotect": "flasher.stm32_chip:unprotect_command",
    "update": "device.update:update",
    "verify": "flasher.stm32:verify_command",
    "watch": "device.watch:command",
}
"""Module of this package, and the command in it, by name."""


class Commands(click.Group):
    """The one place where an error becomes a message, an exit code and the last JSON object."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"mcu_updater.cli.{module}"), name)
        return leaf.note(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        found = super().resolve_command(ctx, args)
        interrupts.raise_at_signals()
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        answers.begin(args)
        try:
            return super().parse_args(ctx, args)
        except click.ClickException as error:  # click itself tells it
            answers.note_complaint(error.format_message())
            answers.end(error.exit_code, "")
            interrupts.let_pass()
            raise

    def invoke(self, ctx: click.Context) -> Any:
        code = exits.OK
        try:
            code = _code_of(partial(super().invoke, ctx))
            code = _code_of(partial(answers.end, code, exits.MEANINGS.get(code, ""))) or code
            interrupts.let_pass()
        except KeyboardInterrupt as error:  # a signal, between two of these lines
            code = code or exits.code_of(error)
            interrupts.let_pass()
        ctx.exit(code)


def _code_of(work: Callable[[], object]) -> int:
    """What *work* ended with, whatever that was; it has then been told."""
    try:
        try:
            work()
        except BaseException as error:
            return exits.code_of(error)
    except KeyboardInterrupt as error:  # a signal, while it was told
        return exits.code_of(error)
    return exits.OK


def main() -> None:
    signals.leave_at_signals()
    streams.guard()
    cli(prog_name="mcu-updater")


@click.group(
    cls=Commands,
    epilog=exits.epilog(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__)  # the package's metadata take 40 ms to find
def cli() -> None:
    """Update the firmware of a microcontroller behind a Quectel module, on an emulated board."""

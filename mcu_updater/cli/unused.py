"""Options that mean nothing in the way a command is run: they are refused, never ignored."""

from __future__ import annotations

from collections.abc import Collection

import click
from click.core import ParameterSource

from mcu_updater.errors import UsageError


def refuse(ctx: click.Context, names: Collection[str], why: str) -> None:
    """Raise UsageError for the first of the parameters *names* that was given on the command line.

    *why*: in which way the command is run; it follows the option's name in the message.
    """
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name in names and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]} has no effect {why}", then="Leave it out")

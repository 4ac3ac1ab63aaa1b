"""Options that mean nothing in the way a command is run: they are refused, never ignored.

``--yes``, ``--force`` and ``--quiet`` are none of them: leave to do something, or to say nothing,
is kept also where there is nothing to do or to say. Nor are the options that say how a file is to
be read (``--base``, ``--component``, ``--allow``): what they do depends on what is in the file.
"""

from __future__ import annotations

from collections.abc import Collection

import click
from click.core import ParameterSource

from mcu_updater.core.errors import UsageError

READING = ("allow", "raw", "raw_file", "only", "join")
"""How an image file is read: of no effect where there is none."""


def refuse_all_but(ctx: click.Context, names: Collection[str], why: str) -> None:
    """``refuse`` every option but those in *names*."""
    options = (each.name or "" for each in ctx.command.params if isinstance(each, click.Option))
    refuse(ctx, [name for name in options if name not in names], why)


def refuse(ctx: click.Context, names: Collection[str], why: str) -> None:
    """Raise UsageError for the first of the parameters *names* that was given on the command line.

    *why*: in which way the command is run; it follows the option's name in the message.
    """
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name in names and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]} has no effect {why}", then="Leave it out")

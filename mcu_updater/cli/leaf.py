"""The context of the command itself, below the groups, also after it has ended: errors are told
then, and what helps depends on the options that the command has."""

from __future__ import annotations

from typing import Any, Final

import click

_LEAF: Final = f"{__name__}.leaf"


class _Noted(click.Context):
    """Notes itself where all contexts of a command line can see it; the last one stays."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.meta[_LEAF] = self


def note(command: click.Command) -> click.Command:
    """*command*, so that ``leaf`` finds its context, or that of its subcommand."""
    command.context_class = _Noted
    if isinstance(command, click.Group):
        for each in command.commands.values():
            note(each)
    return command


def leaf(meta: dict[str, Any]) -> click.Context | None:
    """*meta*: of any context of the command line. None where no command was asked for."""
    found: click.Context | None = meta.get(_LEAF)
    return found

"""Several options as one decorator."""

from __future__ import annotations

from collections.abc import Callable

Command = Callable[..., None]
Decorator = Callable[[Command], Command]


def together(*options: Decorator) -> Decorator:
    """One decorator for all of them; ``--help`` lists them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate

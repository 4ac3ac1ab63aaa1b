"""What click has parsed, as one typed value: a frozen dataclass whose fields are the options of a
command. Groups of options that several commands have are base classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, TypeVar

Options = TypeVar("Options")
Returned = TypeVar("Returned")
Command = Callable[Concatenate[Options, ...], Returned]


def given_as(
    kind: type[Options],
) -> Callable[[Command[Options, Returned]], Callable[..., Returned]]:
    """Call the command below with a *kind* made of all that was parsed for it.

    A field that is no option, or an option that is no field, is a TypeError at every call.
    """

    def decorate(command: Command[Options, Returned]) -> Callable[..., Returned]:
        @wraps(command)
        def call(*args: Any, **parsed: Any) -> Returned:
            return command(kind(**parsed), *args)

        return call

    return decorate

"""Names that users type: parts, strategies, scenarios, faults. In any case, with what is near said,
and completed by the shell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from flash_emulator import Part, PartError, load_part, other_size_names, part_names
from flash_emulator.parts.catalogue import is_part_file
from mcu_updater.core.errors import ImageRejected, PortError, UpdaterError
from mcu_updater.core.strategy import Strategy

if TYPE_CHECKING:  # they can be subscripted at run time since click 8.2 or later
    _PartParameter = click.ParamType[Part | str]
    _TextChoice = click.Choice[str]
else:
    _PartParameter, _TextChoice = click.ParamType, click.Choice


class PartName(_PartParameter):
    """A name that ``load_part`` knows, in any case or as it is printed on the chip; or a part file.

    *more*: words that stand for several parts, which are given back as they are.
    """

    name = "part"

    def __init__(self, *more: str) -> None:
        self._more = more

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Part | str:
        if isinstance(value, Part):
            return value
        if value.lower() in self._more:
            return str(value.lower())
        try:
            return load_part(value)
        except PartError as error:
            if is_part_file(value):
                raise _of_file(value, error) from error
            raise click.BadParameter(str(error), ctx=ctx, param=param) from error

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del ctx, param
        found = _beginning_with(incomplete, [*part_names(), *other_size_names(), *self._more])
        if "/" in incomplete or not found:
            return [CompletionItem(incomplete, type="file")]
        return found


def _of_file(path: str, error: PartError) -> UpdaterError:
    """A part file that cannot be read, or one that was read and is none: as of any other file."""
    if isinstance(error.__cause__, OSError):
        found = error.__cause__.strerror or str(error.__cause__)
        return PortError("cannot be read", where=path, expected="a part file", found=found.lower())
    return ImageRejected(
        "is no sound part file", found=str(error), then="See docs/reference/part-files.md"
    )


class ManifestPart(PartName):
    """A part as a package's manifest names it: by its part file's name, or in words of one's own
    where no part file is meant, for devices that are not of this program."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del param, ctx
        if not value:
            return ""
        try:
            return load_part(str(value)).name
        except PartError as error:
            click.echo(f"warning: {error}. The manifest says {value!r} as it is", err=True)
            return str(value)


class NameChoice(_TextChoice):
    """One of some names, in any case, or what only one of them begins with. Says which is near."""

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__(choices, case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        names = [str(name) for name in self.choices]
        wanted = _plain(str(value))
        exact = [name for name in names if _plain(name) == wanted]
        begun = exact or [name for name in names if wanted and _plain(name).startswith(wanted)]
        if len(begun) == 1:
            return begun[0]
        near = begun or get_close_matches(wanted, names)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        text = f"{value!r} is not one of {', '.join(names)}.{hint}"
        raise click.BadParameter(text, ctx=ctx, param=param)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del ctx, param
        return _beginning_with(incomplete, [str(name) for name in self.choices])


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    begin = incomplete.lower()
    return [CompletionItem(name) for name in names if name.lower().startswith(begin)]


PART = PartName()
STRATEGY = NameChoice([strategy.value for strategy in Strategy])
PART_METAVAR = "NAME|FILE"


def component_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Components of the center's or the board's file on the command line; else the default."""
    del param
    names = {name for value in ctx.params.values() for name in _components_in(value)}
    return _beginning_with(incomplete, sorted(names or {"STM32"}))


def _components_in(value: Any) -> list[str]:
    """What the file *value* names; nothing where it is no such file."""
    from mcu_updater.board import load_board  # they read a file: not before completion needs it
    from mcu_updater.cloud.center.load import read_center
    from mcu_updater.core.errors import UpdaterError

    if not isinstance(value, str | Path) or not Path(value).is_file():
        return []
    path = Path(value)
    try:
        if path.suffix == ".toml":
            products = read_center(path).center.products
            return [component.id for product in products for component in product.components]
        return [load_board(path).component]
    except (UpdaterError, OSError, ValueError):
        return []

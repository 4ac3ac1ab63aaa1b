"""Files that commands are given, by what becomes of them: read, written, or kept and changed.

What is missing, a directory or unreadable is found here, for all commands alike, before anything is
done; and so is an output that would replace what the same command reads, or what was there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.storage import STDOUT, check_output, is_same_file

_READ, _WRITTEN = f"{__name__}.read", f"{__name__}.written"


class InputFile(click.Path):
    """A file that is only read. Raises PortError where it cannot be, not click's usage error."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fspath(super().convert(value, param, ctx)))  # type: ignore[arg-type]
        if ctx is None or not ctx.resilient_parsing:
            note_input(path)
        return path


class OutputFile(click.Path):
    """A file that is written: see ``claim``. *may_be_stdout*: ``-`` is standard output."""

    def __init__(self, *, may_be_stdout: bool = False) -> None:
        super().__init__(path_type=Path, readable=False, allow_dash=may_be_stdout)


class KeptFile(click.Path):
    """A file that is read, changed and written again, by one process at a time."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)


class Folder(click.Path):
    """A folder to write files into, which is made where it is missing."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del ctx, param
        return [CompletionItem(incomplete, type="dir")]


INPUT, OUTPUT, KEPT, FOLDER = InputFile(), OutputFile(), KeptFile(), Folder()
OUTPUT_OR_STDOUT = OutputFile(may_be_stdout=True)

force_option = click.option("--force", is_flag=True, help="Replace the file if it exists.")


def note_input(path: Path) -> None:
    """*path* can be read, and no output of this command may replace it. Raises PortError."""
    try:
        path.stat()
        if path.is_dir():
            raise IsADirectoryError(0, "a directory")
        if not os.access(path, os.R_OK):
            raise PermissionError(0, "permission denied")
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise PortError(
            "cannot be read", where=str(path), expected="a file", found=found.lower()
        ) from error
    _noted(_READ).append(path)


def claim(path: Path, *, force: bool) -> None:
    """*path* can be written in the end, and neither replaces what this command reads, nor another
    of its outputs, nor, unless *force*, a file that was there. Raises UsageError or PortError."""
    check_output(path, inputs=_noted(_READ), force=force)
    written = _noted(_WRITTEN)
    if any(is_same_file(path, other) for other in written):
        raise UsageError("two outputs go to one file", where=str(path), expected="a file for each")
    written.append(path)


def _noted(kind: str) -> list[Path]:
    context = click.get_current_context(silent=True)
    paths: list[Path] = [] if context is None else context.find_root().meta.setdefault(kind, [])
    return paths


def say(path: Path, text: str) -> None:
    """What was written to *path*; not among its bytes."""
    click.echo(text, err=path == STDOUT)

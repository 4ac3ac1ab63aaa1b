"""``--replay`` in a browser: the film as one HTML file, and the browser that shows it."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mcu_updater.cli import paths
from mcu_updater.core.errors import UsageError
from mcu_updater.storage import STDOUT, write_whole


@dataclass(frozen=True, slots=True)
class FilmPage:
    """*file*: where it is written; None: where it is opened, a temporary file, which stays."""

    file: Path | None
    is_opened: bool

    @property
    def is_wanted(self) -> bool:
        return self.file is not None or self.is_opened

    @property
    def has_stdout(self) -> bool:
        return self.file == STDOUT

    def claim(self, *, as_json: bool) -> None:
        """Whether it can be written is said before the path is run. *as_json*: standard output has
        the answer already."""
        if self.has_stdout and (as_json or self.is_opened):
            taken = "--json has standard output" if as_json else "a browser opens files"
            raise UsageError(
                "the film cannot go to standard output", found=taken, expected="a file"
            )
        if self.file is not None:
            paths.claim(self.file, force=True)

    def write(self, film: dict[str, Any], title: str, lines: list[str]) -> None:
        """*film*: as the player takes it; *lines*: the same as text. Says where it is."""
        from flash_emulator.player.page import player_page  # Jinja takes a while to load

        page = player_page(film, title=title, lines=lines).encode(errors="backslashreplace")
        path = self.file or _temporary()
        write_whole(path, page)
        if self.has_stdout:
            return
        click.echo(f"film: {path}", err=True)
        if self.is_opened and not webbrowser.open(path.absolute().as_uri()):
            click.echo("No browser could be opened: open that file in one yourself.", err=True)


def _temporary() -> Path:
    descriptor, name = tempfile.mkstemp(prefix="mcu-updater-film-", suffix=".html")
    os.close(descriptor)
    return Path(name)

"""Reports of ``powerloss`` that go to files, or one of them to standard output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flash_emulator.explore.campaign import Campaign
from flash_emulator.explore.render import campaign_html, campaign_json, campaign_junit
from mcu_updater.cli import paths
from mcu_updater.core.errors import PortError, UpdaterError, UsageError
from mcu_updater.storage import STDOUT, write_whole


@dataclass(frozen=True, slots=True)
class Reports:
    """Where each kind is to be written; None: nowhere."""

    html: Path | None
    junit: Path | None
    json_file: Path | None

    @property
    def have_stdout(self) -> bool:
        return STDOUT in self._wanted

    @property
    def _wanted(self) -> dict[Path, Callable[[Campaign], str]]:
        renders = {
            self.html: campaign_html,
            self.junit: campaign_junit,
            self.json_file: campaign_json,
        }
        return {path: render for path, render in renders.items() if path is not None}

    def claim(self, *, as_json: bool) -> None:
        """A report replaces the one of the last search. What cannot be written is said before this
        search, which may take hours. *as_json*: standard output has the answer already."""
        given = [path for path in (self.html, self.junit, self.json_file) if path is not None]
        if given.count(STDOUT) + as_json > 1:
            raise UsageError(
                "only one report can have standard output", expected="files for the rest"
            )
        for path in given:
            paths.claim(path, force=True)

    def write(self, done: Campaign) -> list[UpdaterError]:
        """Each of them, whatever becomes of the others; what could not be written."""
        failed: list[UpdaterError] = []
        for path, render in self._wanted.items():
            try:
                write_whole(path, render(done).encode())
            except PortError as error:
                failed.append(error)
        return failed

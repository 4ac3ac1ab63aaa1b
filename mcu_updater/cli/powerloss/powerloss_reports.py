"""Reports of ``powerloss`` that go to files, or one of them to standard output; and what forges
read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flash_emulator.explore.campaign import Campaign
from flash_emulator.explore.render import (
    SourceTree,
    campaign_codequality,
    campaign_html,
    campaign_json,
    campaign_junit,
    campaign_sarif,
    github_commands,
    github_summary,
)
from mcu_updater.cli import paths
from mcu_updater.core.errors import PortError, UpdaterError, UsageError
from mcu_updater.storage import STDOUT, write_whole

if TYPE_CHECKING:
    from mcu_updater.cli.powerloss.searches import SearchRequest

GITHUB = "github"
_SUMMARY = "GITHUB_STEP_SUMMARY"
_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")

Render = Callable[[Campaign], str]


@dataclass(frozen=True, slots=True)
class Reports:
    """Where each kind is to be written; None: nowhere. *github*: print workflow commands, too."""

    html: Path | None
    junit: Path | None
    json_file: Path | None
    sarif: Path | None
    codequality: Path | None
    github: bool = False

    @classmethod
    def of(cls, request: SearchRequest) -> Reports:
        return cls(
            request.html,
            request.junit,
            request.json_file,
            request.sarif,
            request.codequality,
            request.annotations == GITHUB,
        )

    @property
    def have_stdout(self) -> bool:
        return STDOUT in [path for path, _ in self._wanted()]

    def _wanted(self) -> Iterator[tuple[Path, Render]]:
        tree = source_tree()
        renders: list[tuple[Path | None, Render]] = [
            (self.html, campaign_html),
            (self.junit, campaign_junit),
            (self.json_file, campaign_json),
            (self.sarif, partial(campaign_sarif, tree=tree)),
            (self.codequality, partial(campaign_codequality, tree=tree)),
        ]
        return ((path, render) for path, render in renders if path is not None)

    def claim(self, *, as_json: bool) -> None:
        """A report replaces the one of the last search. What cannot be written is said before this
        search, which may take hours. *as_json*: standard output has the answer already."""
        given = [path for path, _ in self._wanted()]
        if given.count(STDOUT) + as_json > 1:
            raise UsageError(
                "only one report can have standard output", expected="files for the rest"
            )
        for path in given:
            paths.claim(path, force=True)

    def write(self, done: Campaign, *, as_json: bool) -> list[UpdaterError]:
        """Each of them, whatever becomes of the others; what could not be written."""
        failed: list[UpdaterError] = []
        for path, render in self._wanted():
            try:
                # names of files may hold bytes that are no UTF-8
                write_whole(path, render(done).encode(errors="backslashreplace"))
            except PortError as error:
                failed.append(error)
        if self.github:
            failed += _tell_github(done, err=as_json or self.have_stdout)
        return failed


def source_tree() -> SourceTree:
    """What paths in reports count from: the checkout of a job, or the repository that we are in;
    else the folder that we are in."""
    here = Path.cwd()
    named = [Path(os.environ[name]) for name in _ROOTS if os.environ.get(name)]
    above = [folder for folder in (here, *here.parents) if (folder / ".git").exists()]
    inside = [root for root in named if here.is_relative_to(root.absolute())]
    return SourceTree(next(iter([*inside, *above]), here))


def _tell_github(done: Campaign, *, err: bool) -> Iterator[UpdaterError]:
    """Its runner reads commands in both streams."""
    tree = source_tree()
    for line in github_commands(done, tree):
        click.echo(line, err=err)
    page = os.environ.get(_SUMMARY)
    if not page:
        return
    try:
        with Path(page).open("a", encoding="utf-8") as file:  # steps before have written, too
            file.write(github_summary(done, tree))
    except OSError as error:
        found = error.strerror or str(error)
        yield PortError(f"{_SUMMARY} names what cannot be written", where=page, found=found)

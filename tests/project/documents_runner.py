"""Code blocks of README and docs: what they are, and running them as a reader would.

A fence of ``console`` has lines that begin with ``$ ``, and below each what it prints; nothing
below it means that its output is not shown. ``...`` stands for whatever varies or was left out. A
comment before a fence says what else is to be known:

* ``<!-- not run: WHY -->``;
* ``<!-- thorough: WHY -->``: run by ``make thorough`` only;
* ``<!-- excerpt: FILE -->``: stands in that file, which other tests run;
* ``<!-- file: NAME -->``: what later blocks of the page find under that name.

The blocks of a page are run in their order, in one folder of their own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from click.testing import CliRunner

from mcu_updater.cli.main import cli
from tests.command_processes import CommandProcess
from tests.places import ROOT

COLUMNS = 110
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- ([a-z ]+): (.*?) -->\n\Z")
_FIRST_LINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    mark: str  # "not run", "thorough", "excerpt", "file", or nothing
    why: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        mark = _MARK.search(text, 0, found.start())
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[1], found[2], *(mark.groups() if mark else ("", "")))


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and what the page shows below it."""

    command: str
    shown: str


def steps_of(text: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield Step(command, shown)


def agrees(shown: str, printed: str) -> bool:
    """Whether *printed* is what the page shows, but for blanks at ends; ``...`` is anything."""
    wanted, found = (
        "\n".join(map(str.rstrip, t.strip("\n").split("\n"))) for t in (shown, printed)
    )
    pattern = ".*?".join(re.escape(piece) for piece in wanted.split("..."))
    return re.fullmatch(pattern, found, re.DOTALL) is not None


class Wrong(AssertionError):
    """A page shows what does not happen."""


class Reader:
    """Does what a page says, in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._code = 0
        self._names: dict[str, Any] = {"__name__": "page"}
        self._servers = ExitStack()
        for name in ("fixtures", "pyproject.toml"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(
            ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()

    def run(self, block: Block) -> None:
        if block.mark == "file":
            (self._folder / block.why).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            with chdir(self._folder):
                exec(compile(block.text, block.place, "exec"), self._names)
        elif block.language == "console":
            for step in steps_of(block.text):
                self._take(step, block)
            self._none_failed(block)

    def _take(self, step: Step, block: Block) -> None:
        words = shlex.split(step.command, comments=True)
        if words == ["echo", "$?"]:
            printed, self._code = f"{self._code}\n", 0
        else:
            self._none_failed(block)
            printed = self._printed(words, step.command)
        if step.shown.strip() and not agrees(step.shown, printed):
            raise Wrong(f"{block.place}: $ {step.command}\nshown:\n{step.shown}\nis:\n{printed}")

    def _none_failed(self, block: Block) -> None:
        """A failure that the page does not show by ``echo $?``. Those of pytest are its subject."""
        if self._code:
            raise Wrong(f"{block.place}: the command before ended with {self._code}")

    def _printed(self, words: list[str], command: str) -> str:
        if words[-1] == "&":
            return self._served(words[:-1])
        if words[0] == "mcu-updater":
            with chdir(self._folder):
                done = CliRunner(env={"COLUMNS": str(COLUMNS)}).invoke(cli, words[1:])
            self._code = self._expected(done.exit_code, words)
            return done.output
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._env(),
            capture_output=True,
            text=True,
        )
        self._code = 0 if "pytest" in words else ran.returncode
        return ran.stdout + ran.stderr

    def _expected(self, code: int, words: list[str]) -> int:
        """A cut that was asked for is no failure, nor is what a search found."""
        fine = (
            {9} if "--cut-at" in words else {7} if words[1] in ("powerloss", "firmware") else set()
        )
        return 0 if code in fine else code

    def _served(self, words: list[str]) -> str:
        """Begin a server; it ends with the page. Its first line says where it is."""
        given: dict[str, Any] = {"cwd": self._folder, "env": self._env(), "text": True}
        server: subprocess.Popen[str]
        if words[0] == "mcu-updater":
            server = CommandProcess(words[1:], stdout=subprocess.PIPE, **given)
        else:
            server = subprocess.Popen([sys.executable, *words[1:]], stdout=subprocess.PIPE, **given)
        self._servers.callback(server.wait)
        self._servers.callback(server.terminate)
        assert server.stdout is not None
        self._servers.enter_context(server.stdout)
        return server.stdout.readline()

    def _env(self) -> dict[str, str]:
        """Of a reader, who has pytest and none of the plugins that our own tests use."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        only = (
            "-p no:cacheprovider -p no:hypothesispytest -p no:timeout -p no:xdist"  # pytest alone
        )
        return {**os.environ, "PATH": path, "COLUMNS": str(COLUMNS), "PYTEST_ADDOPTS": only}

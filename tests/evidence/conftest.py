"""One pack of each result, made once; tests change copies."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest

from flash_emulator.evidence import rerun
from tests.cli.command_line import run
from tests.evidence.packs import BAD, GOOD, write_board, write_key

KINDS: dict[str, tuple[str, tuple[object, ...], int]] = {
    "passed": (GOOD, (), 0),
    "failed": (BAD, ("--recheck-sample", 4), 7),
    "incomplete": (GOOD, ("--cuts", 1), 2),
    "narrower": (GOOD, ("--outcomes", "before,after"), 15),
}


def recheck_here(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
    """The re-check in this process: what it says is the same, and it need not start."""
    out, errors = io.BytesIO(), io.StringIO()
    text = io.TextIOWrapper(out, write_through=True)
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(errors):
        patch.setattr(sys, "stdout", text)
        code = rerun.main(command[3:])
    return subprocess.CompletedProcess(command, code, out.getvalue(), errors.getvalue().encode())


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", recheck_here)


def make(folder: Path, board: Path, key: Path, *options: object) -> Any:
    given = ("--board", board, "--key", key, "--jobs", 1, "--quiet")
    return run("evidence", folder, *given, *options)


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Callable[[str], Path]:
    """The pack of a kind. That which passed was re-checked by another process, as always."""
    made: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            program, options, code = KINDS[kind]
            board = write_board(folder / "board", program)
            with pytest.MonkeyPatch.context() as patch:
                if kind != "passed":
                    patch.setattr(subprocess, "run", recheck_here)
                result = make(folder / "pack", board, key, *options)
            assert result.exit_code == code, result.output
            made[kind] = folder / "pack"
        return made[kind]

    return of

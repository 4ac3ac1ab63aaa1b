"""Starts ``chip serve`` in a process of its own, and external clients against it."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.command_processes import PROGRAM, CommandProcess, run_command
from tests.judges import need

PATIENCE_S = 120.0  # on a loaded machine
SOURCE = Path(__file__).parent / "pty_shim.c"


class ServedChip:
    """A running ``chip serve`` with a control line."""

    def __init__(self, process: subprocess.Popen[str], where: str) -> None:
        self.process, self.where = process, where

    def control(self, line: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer.startswith("ok"), answer
        return answer.removeprefix("ok").strip()

    def comes_to(self, state: str, within_s: float = 5.0) -> bool:
        """Whether the chip is in *state* soon: the server sees modem lines a little later."""
        end_s = time.monotonic() + within_s
        while self.status()["state"] != state:
            if time.monotonic() > end_s:
                return False
            time.sleep(0.02)
        return True

    def status(self) -> dict[str, str]:
        return dict(word.split("=", 1) for word in self.control("status").split())

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def serving(part: str, *options: object) -> Iterator[ServedChip]:
    words = ("chip", "serve", part, "--control", *options)
    pipe = subprocess.PIPE
    process: CommandProcess[str]
    process = CommandProcess(words, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        assert process.stdout is not None
        where = process.stdout.readline().strip()
        assert where, process.communicate()
        yield ServedChip(process, where)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@functools.cache
def shim() -> str:
    """The compiled shim, for parity and modem lines on a pty. Skips where it cannot be."""
    compiler = need("gcc")
    path = Path(tempfile.mkdtemp(prefix="pty-shim-")) / "pty_shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, "-o", path, SOURCE, "-ldl"], check=True)
    return str(path)


def stm32flash(*arguments: object, lines: Path | None = None) -> subprocess.CompletedProcess[str]:
    return _run(need("stm32flash"), *arguments, lines=lines)


def stm32loader(*arguments: object, lines: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("stm32loader")
    assert program.exists(), "stm32loader is one of the packages of [dev]: set up anew"
    return _run(program, *arguments, lines=lines, shimmed=True)


def judge(name: str, port: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """``isp`` or ``ctl``: stm32isp, stm32ctl."""
    need(f"stm32{name}")
    script = Path(__file__).with_name("judge.py")
    return _run(sys.executable, script, name, port, *arguments, lines=None, shimmed=True)


def our_host(*arguments: object, lines: Path | None = None) -> subprocess.CompletedProcess[str]:
    if lines is not None:
        return _run(*PROGRAM, *arguments, lines=lines)
    return run_command(*arguments, timeout_s=PATIENCE_S, errors="replace")


def _run(
    *command: object, lines: Path | None, shimmed: bool = False
) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if lines is not None or shimmed:
        environment["LD_PRELOAD"] = shim()
    if lines is not None:
        environment["PTY_SHIM_LINES"] = str(lines)
    return subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
    )

"""A command that is forked is the command that is started: see ``tests/command_processes.py``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_processes import PROGRAM, CommandProcess, run_command
from tests.places import FIXTURES

IMAGE = FIXTURES / "fixture-2.0.0.hex"
PIPE = subprocess.PIPE
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a fork server needs Linux")


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def program(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("image", "inspect", IMAGE),
        ("image", "inspect", "there is none"),
        ("image", "inspect", IMAGE, "--json"),
        ("no such command",),
    ],
)
def test_it_says_and_ends_as_one_that_is_started(words: tuple[object, ...]) -> None:
    forked = run_command(*words)
    command = [*PROGRAM, *map(str, words)]
    environment = dict(os.environ)  # without what libraries in C put there: readline's COLUMNS
    started = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    assert forked.stderr == started.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)]
)
def test_it_is_a_child_that_takes_signals(number: signal.Signals, code: int) -> None:
    words = ("module", "serve", "--package", IMAGE, "--target-version", "2", "--tcp", "127.0.0.1:0")
    with CommandProcess(words, stdout=PIPE, text=True) as server:
        assert server.stdout is not None and server.stdout.readline().startswith("socket://")
        assert parent(server.pid) == os.getpid()
        assert "tests.fork_server" in program(server.pid)
        server.send_signal(number)
        assert server.wait(60) == code


def test_it_has_the_place_streams_and_environment_that_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    said = run_command("image", "inspect", IMAGE)
    assert max(map(len, said.stdout.splitlines())) == 60, said.stderr
    made = run_command("image", "convert", IMAGE, "new.bin", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "new.bin").read_bytes() == (FIXTURES / "fixture-2.0.0.bin").read_bytes()
    with CommandProcess(["--version"], stdout=PIPE, start_new_session=True, text=True) as alone:
        assert os.getsid(alone.pid) == alone.pid
        assert alone.wait(60) == 0


def test_what_only_the_start_of_an_interpreter_heeds_starts_one(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    words = ("module", "serve", "--package", IMAGE, "--target-version", "2", "--tcp", "127.0.0.1:0")
    with CommandProcess(words, stdout=PIPE, env=environment, text=True) as server:
        assert server.stdout is not None and server.stdout.readline()
        assert "tests.fork_server" not in program(server.pid)
        server.kill()


def test_after_its_limit_of_time_it_is_killed(tmp_path: Path) -> None:
    link = tmp_path / "tty"
    with pytest.raises(subprocess.TimeoutExpired):
        run_command("chip", "serve", "STM32L476xG", "--link", link, timeout_s=0.5)

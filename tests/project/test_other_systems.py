"""Windows and macOS: everything can be imported, and what is no matter of POSIX works.

Simulated in a process of its own, see ``as_windows.py``; no such system was there to try it on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.places import FIXTURES

HERE = Path(__file__).parent
IMAGE = str(FIXTURES / "fixture-2.0.0.hex")
IMPORT_ALL = """
import pkgutil, importlib
count = 0
for package in ("flash_emulator", "mcu_updater"):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        last = found.name.rpartition(".")[2]
        if last not in ("__main__", "conftest") and not last.startswith("test_"):
            importlib.import_module(found.name)
            count += 1
print(count)
"""
RUN_ALL = """
import json, sys
from click.testing import CliRunner
from mcu_updater.cli.main import cli
for line in json.loads({lines!r}):
    done = CliRunner().invoke(cli, line)
    print(json.dumps([done.exit_code, done.output]))
"""


def elsewhere(code: str) -> str:
    done = subprocess.run(
        [sys.executable, HERE / "as_windows.py"], input=code, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


COMMANDS: dict[str, Sequence[str]] = {
    "help": ("--help",),
    "inspect": ("image", "inspect", IMAGE),
    "powerloss": ("powerloss", "--size", "300", "--states", "3", "--jobs", "1", "--json"),
    "doctor": ("doctor", "--json"),
    "ports": ("ports",),
    "update": ("update", IMAGE, "--quiet"),
    "pty": ("module", "serve", "--package", IMAGE, "--target-version", "2.0.0"),
    "chip": ("chip", "serve", "STM32L476xG", "--tcp", "127.0.0.1:0"),
    "line": ("info", "--port", "socket://127.0.0.1:1"),
}


@cache
def results() -> dict[str, tuple[int, str]]:
    """Exit code and output of each of COMMANDS; one process for all."""
    said = elsewhere(RUN_ALL.format(lines=json.dumps(list(COMMANDS.values()))))
    lines = [tuple(json.loads(line)) for line in said.splitlines()]
    return dict(zip(COMMANDS, lines, strict=True))


def test_every_module_can_be_imported() -> None:
    assert int(elsewhere(IMPORT_ALL)) > 200


GONE_FOR_ALL = """
import sys
GONE = {"fcntl", "termios", "tty", "pty", "resource", "grp", "pwd"}
class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(name, name=name)
for name in GONE & set(sys.modules):
    del sys.modules[name]
sys.meta_path.insert(0, Nobody())
"""


def test_no_import_of_ours_makes_a_library_ask_for_posix() -> None:
    """pyserial's backend is the system's: it is imported when a port is opened."""
    command = [sys.executable, "-c", GONE_FOR_ALL + IMPORT_ALL]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


def test_the_simulation_takes_away_what_it_says() -> None:
    code = "import flash_emulator.errors as ours\nexec('import os, fcntl', ours.__dict__)"
    with pytest.raises(AssertionError, match="No module named 'fcntl'"):
        elsewhere(code)
    code = (
        "import flash_emulator.errors as ours\nexec('import signal; signal.SIGUSR1', ours.__dict__)"
    )
    with pytest.raises(AssertionError, match="no attribute 'SIGUSR1'"):
        elsewhere(code)


def test_commands_that_need_no_posix_work() -> None:
    assert results()["help"][0] == 0 and "powerloss" in results()["help"][1]
    assert results()["inspect"][0] == 0 and "0x0800_8000" in results()["inspect"][1]
    assert results()["update"][0] == 0
    assert results()["ports"][0] == 0


def test_a_search_runs() -> None:
    _, said = results()["powerloss"]
    report = next(line for line in said.splitlines() if line.startswith("{"))
    found = json.loads(report)["results"][0]
    assert found["verdict"] == "incomplete" and "stopped by states" in said


def test_the_doctor_says_what_this_system_does_not_have() -> None:
    _, said = results()["doctor"]
    checks = {check["name"]: check for check in json.loads(said)["checks"]}
    assert checks["pty"]["state"] == "note" and "Linux or macOS" in checks["pty"]["advice"]
    assert "dialout" not in checks


@pytest.mark.parametrize("command", ["pty", "chip"])
def test_a_server_says_where_it_can_run(command: str) -> None:
    code, said = results()[command]
    assert code == 4
    assert "cannot be served on this system; expected Linux or macOS" in said


def test_a_port_is_opened_as_elsewhere() -> None:
    code, said = results()["line"]
    assert code == 4 and "the port cannot be opened" in said
